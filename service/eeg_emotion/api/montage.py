"""REST: the positions of electrodes, for maps of the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import needs
from eeg_emotion.api.problems import responses
from eeg_emotion.eeg.montage import flat_position, places, region_of
from eeg_emotion.publish.message import Message

router = APIRouter(responses=responses(), tags=["model"])


class Electrode(Message):
    """An electrode's position on a flat head, and the brain region under it."""

    x: float
    """Towards the right ear."""
    y: float
    """Towards the nose; Cz is at 0, 0, and all electrodes are within 1."""
    region: str | None


class Montage(Message):
    """The electrodes whose positions are known, by name."""

    electrodes: dict[str, Electrode]


@dataclass(frozen=True, slots=True)
class MontagePart:
    """The electrodes' positions; its handlers need nothing."""

    router: ClassVar[APIRouter] = router


@router.get("/v1/montage", dependencies=needs(Action.READ))
async def montage() -> Montage:
    """Return the positions of electrodes on the head, in azimuthal equidistant projection."""
    return Montage(
        electrodes={
            name: Electrode(x=x, y=y, region=region_of(name))
            for name in places()
            for x, y in [flat_position(name)]
        }
    )
