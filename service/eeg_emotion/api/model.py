"""REST: the model card, and the calibration of the model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter

from eeg_emotion.api.guard import DOCUMENTED
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.inference.contract import Contract
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import ModelCard

router = APIRouter(responses=responses(), tags=["model"], dependencies=DOCUMENTED)


class CalibrationBin(Message):
    """Held-out windows of similar probability: the predictions and the outcomes."""

    low: float
    high: float
    predicted: float
    """The mean calibrated probability of "high"."""
    observed: float
    """The share that was high."""
    windows: int


class TargetCalibration(Message):
    """The bins of one target, and whose windows they contain."""

    protocol: str
    people: int
    windows: int
    bins: tuple[CalibrationBin, ...]


class ModelCalibration(Message):
    """For each target that was tested on held-out people, its bins."""

    targets: dict[str, TargetCalibration]


@dataclass(frozen=True, slots=True)
class ModelPart:
    """The contract of the model that is served, and its card."""

    router: ClassVar[APIRouter] = router

    contract: Contract
    card: ModelCard


Given = Annotated[ModelPart, given(ModelPart)]


@router.get("/v1/model")
async def model(part: Given) -> ModelCard:
    """Describe the model: whom it was trained on, how it was tested, and what it needs.

    If `simulated` is true, it was trained on simulated people, and its scores say nothing about a
    real person. `held_out` is what was measured on people that it never saw.
    """
    return part.card


@router.get("/v1/model/calibration")
async def calibration(part: Given) -> ModelCalibration:
    """Return the points of the model's calibration plot, from held-out people.

    Each bin compares the mean probability of "high" that was predicted with the share that was
    high.
    """
    return ModelCalibration(
        targets={
            result.target: TargetCalibration(
                protocol=result.protocol,
                people=result.people,
                windows=result.windows,
                bins=tuple(CalibrationBin(**each.model_dump()) for each in result.reliability),
            )
            for result in part.contract.held_out
        }
    )
