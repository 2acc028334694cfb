"""What a rule looks at. Each condition answers yes, no, or that it cannot be told.

"Cannot be told" is an answer of its own: a window without scores is neither calm nor excited, and
what follows from it is decided by the rule's engine, never by a default here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eeg_emotion.codes import Reason, State
from eeg_emotion.publish.messages import Prediction

Number = Annotated[float, Field(strict=True, ge=0, le=1)]  # strict: `true` is no number


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a headset at one moment.

    Attributes
    ----------
    state
        Its connection's; None before the first was told.
    prediction
        Its newest window while the connection is live, else None: an old score says nothing.
    """

    state: State | None = None
    prediction: Prediction | None = None


class Condition(BaseModel, ABC):
    """Base of all conditions: strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @property
    def on_score(self) -> bool:
        """Return whether it looks at a score, about which a window of poor quality says nothing."""
        return False

    @abstractmethod
    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Return whether it holds; None where that cannot be told.

        Parameters
        ----------
        seen
            What is known.
        held
            Whether it held before, for its hysteresis.
        """


class Level(Condition):
    """A number above or below a level; for a target it is the probability of "high"."""

    of: Literal["arousal", "valence", "quality"]
    above: Number | None = None
    below: Number | None = None
    until: Number | None = None
    """Once it holds it holds on until the number is back beyond this one (hysteresis)."""

    @model_validator(mode="after")
    def _is_one_sided(self) -> Level:
        if (self.above is None) == (self.below is None):
            raise ValueError("name either 'above' or 'below'")
        if self.until is not None:
            if self.above is not None and self.until > self.above:
                raise ValueError(f"'until' must not lie over 'above', {self.above:g}")
            if self.below is not None and self.until < self.below:
                raise ValueError(f"'until' must not lie under 'below', {self.below:g}")
        return self

    @property
    def on_score(self) -> bool:
        """Return whether its number is a probability."""
        return self.of != "quality"

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Compare the number."""
        number = self._number(seen)
        if number is None:
            return None
        if self.above is not None:
            return number > (self.until if held and self.until is not None else self.above)
        assert self.below is not None  # noqa: S101 - one of the two is, as was checked
        return number < (self.until if held and self.until is not None else self.below)

    def _number(self, seen: Seen) -> float | None:
        if seen.prediction is None:
            return None
        if self.of == "quality":
            return seen.prediction.quality
        score = seen.prediction.arousal if self.of == "arousal" else seen.prediction.valence
        return score.probability if seen.prediction.valid else None


class Label(Condition):
    """A target's label; "unsure" is one that may be asked for."""

    of: Literal["arousal_label", "valence_label"]
    is_: Annotated[tuple[Literal["low", "high", "unsure"], ...], Field(alias="is", min_length=1)]

    @property
    def on_score(self) -> bool:
        """Tell that a label is a score's."""
        return True

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Compare the label."""
        if seen.prediction is None or not seen.prediction.valid:
            return None
        arousal = self.of == "arousal_label"
        score = seen.prediction.arousal if arousal else seen.prediction.valence
        return score.label in self.is_


class StateIs(Condition):
    """The state of the headset's connection."""

    of: Literal["state"]
    is_: Annotated[tuple[State, ...], Field(alias="is", min_length=1)]

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Compare the state."""
        return None if seen.state is None else seen.state in self.is_


class ReasonIs(Condition):
    """Why the newest window has no scores."""

    of: Literal["reason"]
    is_: Annotated[tuple[Reason, ...], Field(alias="is", min_length=1)]

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Look for one of the reasons."""
        if seen.prediction is None:
            return None
        return any(reason in self.is_ for reason in seen.prediction.reasons)


AnyCondition = Annotated[Level | Label | StateIs | ReasonIs, Field(discriminator="of")]


def all_hold(answers: list[bool | None]) -> bool | None:
    """Join answers: no if any is no, else unknown if any is unknown."""
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True
