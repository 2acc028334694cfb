"""The contract: one JSON in the ONNX file that says what the model needs and how far to trust it.

The service reads nothing but the ONNX file, so everything that training decided and the live
path must repeat stands here: channels, rate, filters, representation, normaliser, classes.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError

METADATA_KEY = "eeg_emotion_contract"
"""The key in the ONNX file's `metadata_props`."""

INPUT_NAME = "features"
"""The graph's one input, `(batch, steps, features)` float32, normalised."""

SCHEMA_VERSION: Literal[1] = 1


TargetName = Literal["arousal", "valence", "dominance", "liking"]


class ContractError(EegEmotionError):
    """A model's contract is missing, unknown, or contradicts itself or the graph."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(_Part):
    """One thing that is estimated. The graph's output of this name is `(batch, classes)`."""

    name: TargetName
    classes: tuple[Literal["low"], Literal["high"]] = ("low", "high")


class LabelPolicy(_Part):
    """What "high" means in the training labels; `id` changes whenever the rule does."""

    id: str
    text: str


class TrainedOn(_Part):
    """The training data. `digest` is the SHA-256 over the source files' digests."""

    dataset: str
    simulated: bool
    people: Annotated[int, Field(gt=0)]
    windows: Annotated[int, Field(gt=0)]
    digest: str


class HeldOut(_Part):
    """A result on people that training never saw, with what must stand beside it."""

    target: str
    protocol: str
    people: int
    trials: int
    windows: int
    accuracy: float
    balanced_accuracy: float
    auroc: float
    majority_accuracy: float

    def describe(self) -> str:
        """Say the result in one sentence, with its protocol."""
        return (
            f"balanced accuracy {self.balanced_accuracy:.3f}, accuracy {self.accuracy:.3f} "
            f"(majority {self.majority_accuracy:.3f}), AUROC {self.auroc:.3f}; {self.protocol}, "
            f"{self.people} people, {self.trials} trials, {self.windows} windows"
        )


class Contract(_Part):
    """All that a model states about itself."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    version: str
    targets: tuple[Target, ...]
    path: PathSettings
    normaliser: Normaliser
    label_policy: LabelPolicy
    trained_on: TrainedOn
    held_out: tuple[HeldOut, ...]
    seeds: tuple[int, ...]
    code_version: str

    @model_validator(mode="after")
    def _agree(self) -> Contract:
        names = [target.name for target in self.targets]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"found targets {names}, expected each once and at least one")
        width = self.path.window_shape[1]
        if len(self.normaliser.mean) != width or len(self.normaliser.sd) != width:
            raise ValueError(
                f"found a normaliser for {len(self.normaliser.mean)} features, expected {width}"
            )
        if not all(sd > 0 for sd in self.normaliser.sd):
            raise ValueError("found a normaliser with a spread of 0, expected positive spreads")
        return self

    def to_json(self) -> str:
        """Write the contract for the ONNX file."""
        return self.model_dump_json()


def parse_contract(text: str) -> Contract:
    """Read a contract.

    Raises
    ------
    ContractError
        If it is no JSON, of an unknown schema version, or has missing, unknown or wrong fields.
    """
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise ContractError(f"the model's contract is no JSON: {error}") from error
    version = stated.get("schema_version") if isinstance(stated, dict) else None
    if version != SCHEMA_VERSION:
        raise ContractError(
            f"found a contract of schema version {version!r}, expected {SCHEMA_VERSION}; export "
            "the model with the trainer of this release, or run the service it was made for"
        )
    try:
        contract = Contract.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'contract'}: {item['msg']}"
            for item in error.errors()
        )
        raise ContractError(f"the model's contract is not valid: {problems}") from error
    # A field that this release does not know might change the signal path: refuse, do not ignore.
    if (unknown := _unknown_fields(stated, json.loads(contract.to_json()))) != []:
        raise ContractError(
            f"found fields in the model's contract that are not known: {', '.join(unknown)}; "
            "run the release of the service that the model was made for"
        )
    return contract


def _unknown_fields(stated: object, known: object, place: str = "") -> list[str]:
    if isinstance(stated, dict) and isinstance(known, dict):
        found = []
        for key, value in stated.items():
            name = f"{place}.{key}".lstrip(".")
            found += _unknown_fields(value, known[key], name) if key in known else [name]
        return found
    if isinstance(stated, list) and isinstance(known, list):
        pairs = zip(stated, known, strict=True)
        return [name for s, k in pairs for name in _unknown_fields(s, k, place)]
    return []
