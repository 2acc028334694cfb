"""The contract: a JSON document in the ONNX file, stating the model's needs and its results.

The service reads only the ONNX file, so the contract states everything that training decided and
the live path must repeat: channels, rate, filters, representation, normaliser, classes.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eeg_emotion.eeg.layout import LayoutError, identity_layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.rest_baseline import LEAST_REST_SECONDS, MOST_REST_SECONDS, rest_path
from eeg_emotion.errors import EegEmotionError

METADATA_KEY = "eeg_emotion_contract"
"""The key in the ONNX file's `metadata_props`."""

INPUT_NAME = "features"
"""The graph's one input, `(batch, steps, features)` float32, normalised."""

SCHEMA_VERSION: Literal[3] = 3

TargetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""A target's name, also that of the graph's output: arousal, valence, or a custom label."""


class ContractError(EegEmotionError):
    """A model's contract is missing, not supported, or contradicts itself or the graph."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Calibration(_Part):
    """How the graph's probabilities are calibrated, chosen on validation windows.

    The log odds are divided by `temperature` (Guo et al. 2017, *On Calibration of Modern Neural
    Networks*). A probability within the limits of `unsure` is called neither high nor low, because
    such estimates were too rarely right; two equal limits leave nothing unsure.
    """

    temperature: Annotated[float, Field(gt=0)]
    unsure: tuple[Annotated[float, Field(ge=0, le=0.5)], Annotated[float, Field(ge=0.5, le=1)]]
    windows: Annotated[int, Field(gt=0)]
    people: Annotated[int, Field(gt=0)]
    ece_before: float
    ece_after: float
    """The expected calibration error on the windows that chose the temperature."""

    def describe(self) -> str:
        """Return in one sentence how the probabilities were calibrated, and the improvement."""
        low, high = self.unsure
        unsure = f"unsure from {low:.2f} to {high:.2f}" if low < high else "never unsure"
        return (
            f"temperature {self.temperature:.2f}; calibration error {self.ece_before:.3f} before "
            f"and {self.ece_after:.3f} after, on {self.windows} windows of {self.people} "
            f"validation people; {unsure}"
        )


class Target(_Part):
    """An estimated quantity. The graph's output of this name is `(batch, classes)`."""

    name: TargetName
    classes: tuple[Literal["low"], Literal["high"]] = ("low", "high")
    calibration: Calibration


class RestBaseline(_Part):
    """The normaliser is fitted to a person's own rest, by `eeg_emotion.eeg.rest_baseline`.

    Until a headset has one, its windows cannot be scored.
    """

    kind: Literal["rest-baseline"] = "rest-baseline"
    most_seconds: Annotated[int, Field(gt=0)] = MOST_REST_SECONDS
    least_seconds: Annotated[int, Field(gt=0)] = LEAST_REST_SECONDS

    @model_validator(mode="after")
    def _agree(self) -> RestBaseline:
        if self.least_seconds > self.most_seconds:
            raise ValueError(
                f"found a minimum of {self.least_seconds} s of rest and a maximum of "
                f"{self.most_seconds} s, expected the minimum not to exceed the maximum"
            )
        return self

    def describe(self) -> str:
        """Return in one sentence what the model needs before it can score."""
        return (
            f"each person's own rest, {self.least_seconds} to {self.most_seconds} s of it; until a "
            "headset has one, its windows have no score (no_baseline)"
        )


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


class ReliabilityBin(_Part):
    """Held-out windows of similar probability: the prediction, and the observed share."""

    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]
    """The bin's upper edge; a window exactly on it is in the next bin, if there is one."""
    predicted: Annotated[float, Field(ge=0, le=1)]
    """The mean calibrated probability of "high"."""
    observed: Annotated[float, Field(ge=0, le=1)]
    """The share of windows that were high."""
    windows: Annotated[int, Field(gt=0)]


class HeldOut(_Part):
    """A result on people that training never saw, with the figures needed to interpret it."""

    target: str
    protocol: str
    people: int
    trials: int
    windows: Annotated[int, Field(gt=0)]
    accuracy: float
    balanced_accuracy: float
    auroc: float
    majority_accuracy: float
    ece: float
    trial_balanced_accuracy: float
    trial_interval: tuple[float, float]
    """The 95 % interval, from resampling whole trials."""
    reliability: tuple[ReliabilityBin, ...]
    """Bins of increasing probability, without empty ones, over all people's windows together; `ece`
    is the mean over people."""

    @model_validator(mode="after")
    def _agree(self) -> HeldOut:
        bins = self.reliability
        edges = [edge for each in bins for edge in (each.low, each.high)]
        if any(before > after for before, after in pairwise(edges)):
            raise ValueError("found reliability bins that overlap or fall, expected rising ones")
        if sum(each.windows for each in bins) != self.windows:
            raise ValueError(
                f"found reliability bins with {sum(each.windows for each in bins)} windows, "
                f"expected the {self.windows} of the result"
            )
        return self

    def describe(self) -> str:
        """Return the result in one sentence, with its protocol."""
        low, high = self.trial_interval
        return (
            f"balanced accuracy {self.trial_balanced_accuracy:.3f} (95 % {low:.3f}-{high:.3f}) "
            f"over {self.trials} trials, {self.balanced_accuracy:.3f} over {self.windows} windows, "
            f"AUROC {self.auroc:.3f}, calibration error {self.ece:.3f}; "
            f"{self.people} {self.protocol}"
        )


class Contract(_Part):
    """Everything that a model states about itself."""

    schema_version: Literal[3] = SCHEMA_VERSION
    name: str
    version: str
    targets: tuple[Target, ...]
    path: PathSettings
    normaliser: Normaliser | RestBaseline
    label_policy: LabelPolicy
    trained_on: TrainedOn
    held_out: tuple[HeldOut, ...]
    seeds: tuple[int, ...]
    code_version: str

    @model_validator(mode="after")
    def _agree(self) -> Contract:
        names = [target.name for target in self.targets]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"found targets {names}, expected at least one, and each only once")
        if isinstance(self.normaliser, RestBaseline):
            return self
        width = self.path.window_shape[1]
        if self.normaliser.kind != "training":
            raise ValueError("found one person's normaliser, expected one of the training people")
        if len(self.normaliser.mean) != width or len(self.normaliser.sd) != width:
            raise ValueError(
                f"found a normaliser for {len(self.normaliser.mean)} features, expected {width}"
            )
        if not all(sd > 0 for sd in self.normaliser.sd):
            raise ValueError("found a normaliser with a spread of 0, expected positive spreads")
        return self

    @property
    def training_normaliser(self) -> Normaliser | None:
        """The normaliser that comes with the model; None if each person needs their own."""
        return None if isinstance(self.normaliser, RestBaseline) else self.normaliser

    @property
    def needs_rest(self) -> str | None:
        """The rest that is needed before the model can score a person; None if none is."""
        return self.normaliser.describe() if isinstance(self.normaliser, RestBaseline) else None

    def to_json(self) -> str:
        """Return the contract as JSON, for the ONNX file."""
        return self.model_dump_json()


def parse_contract(text: str) -> Contract:
    """Parse a contract.

    Raises
    ------
    ContractError
        If it is not JSON, its schema version is not supported, or fields are missing, unknown or
        wrong.
    """
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise ContractError(f"the model's contract is not JSON: {error}") from error
    version = stated.get("schema_version") if isinstance(stated, dict) else None
    if version != SCHEMA_VERSION:
        raise ContractError(
            f"found a contract of schema version {version!r}, expected {SCHEMA_VERSION}; export "
            "the model with the trainer of this release, or run the service of its release"
        )
    try:
        contract = Contract.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'contract'}: {item['msg']}"
            for item in error.errors()
        )
        raise ContractError(f"the model's contract is not valid: {problems}") from error
    # Pydantic refuses unknown fields, but would replace a missing setting of the signal path by
    # this release's default, which may not be what the model was trained with.
    if missing := _missing_fields(json.loads(contract.to_json()), stated):
        raise ContractError(
            f"found no {', '.join(missing)} in the model's contract, expected every setting to "
            "be stated; export the model with 'eeg-emotion-train export'"
        )
    try:
        # Building it finds what no single field shows, such as a band beyond half the rate or a
        # repeated channel. Otherwise the first headset would.
        SignalPath(
            contract.path, identity_layout(contract.path.channels), contract.path.sfreq
        ).segment()
        _run_normaliser(contract)
    except (LayoutError, ValueError) as error:
        raise ContractError(
            f"the contract's signal path cannot be run: {error}; export the model again"
        ) from error
    return contract


def _run_normaliser(contract: Contract) -> None:
    settings = contract.path
    normaliser = contract.training_normaliser
    if normaliser is None:
        rest_path(settings)  # refuses a representation that cannot be computed from 1 s of rest
        return
    try:
        normaliser.apply(np.zeros(settings.measures_shape), settings.representation)
    except ValueError as error:
        raise ValueError(
            f"the normaliser's reference does not fit this representation: {error}"
        ) from error


def _missing_fields(known: object, stated: object, place: str = "") -> list[str]:
    if isinstance(known, dict) and isinstance(stated, dict):
        found = []
        for key, value in known.items():
            name = f"{place}.{key}".lstrip(".")
            found += _missing_fields(value, stated[key], name) if key in stated else [name]
        return found
    if isinstance(known, list) and isinstance(stated, list):
        pairs = zip(known, stated, strict=True)
        return [name for k, s in pairs for name in _missing_fields(k, s, place)]
    return []
