"""The conditions of a rule. Each answers yes, no or unknown.

"Unknown" is an answer of its own: a window without scores is neither calm nor excited. The engine
decides what follows from it, never a default here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eeg_emotion.codes import Reason, State
from eeg_emotion.publish.messages import Prediction

Number = Annotated[float, Field(strict=True, ge=0, le=1)]  # strict: `true` is not a number


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known about a headset at one moment.

    Attributes
    ----------
    state
        The state of its connection; None before the first status.
    overloaded
        Whether the service loses its samples by itself.
    prediction
        Its newest prediction while the connection is live, else None: an old score says nothing.
    """

    state: State | None = None
    prediction: Prediction | None = None
    overloaded: bool = False


class Condition(BaseModel, ABC):
    """Base of all conditions; rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @property
    def on_score(self) -> bool:
        """Whether it depends on a score, about which a window of poor quality says nothing."""
        return False

    @abstractmethod
    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Return whether the condition holds; None if unknown.

        Parameters
        ----------
        seen
            What is known about the headset.
        held
            Whether the condition held before, for its hysteresis.
        """


class Level(Condition):
    """A number above or below a level; for a target, the number is the probability of "high"."""

    of: Literal["arousal", "valence", "quality"]
    above: Number | None = None
    below: Number | None = None
    until: Number | None = None
    """Once the condition holds, it holds until the number passes this level (hysteresis)."""

    @model_validator(mode="after")
    def _is_one_sided(self) -> Level:
        if (self.above is None) == (self.below is None):
            raise ValueError(
                f"found {'neither' if self.above is None else 'both'} of 'above' and 'below', "
                "expected exactly one of them"
            )
        if self.until is not None:
            if self.above is not None and self.until > self.above:
                raise ValueError(
                    f"found 'until' = {self.until:g}, expected at most 'above', {self.above:g}"
                )
            if self.below is not None and self.until < self.below:
                raise ValueError(
                    f"found 'until' = {self.until:g}, expected at least 'below', {self.below:g}"
                )
        return self

    @property
    def on_score(self) -> bool:
        """Whether its number is a probability."""
        return self.of != "quality"

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Compare the number with the level."""
        number = self._number(seen)
        if number is None:
            return None
        if self.above is not None:
            return number > (self.until if held and self.until is not None else self.above)
        assert self.below is not None  # noqa: S101 - the validator requires one of the two
        return number < (self.until if held and self.until is not None else self.below)

    def _number(self, seen: Seen) -> float | None:
        if seen.prediction is None:
            return None
        if self.of == "quality":
            return seen.prediction.quality
        score = seen.prediction.arousal if self.of == "arousal" else seen.prediction.valence
        return score.probability if seen.prediction.valid else None


class Label(Condition):
    """A target's label; "unsure" may be named too."""

    of: Literal["arousal_label", "valence_label"]
    is_: Annotated[tuple[Literal["low", "high", "unsure"], ...], Field(alias="is", min_length=1)]

    @property
    def on_score(self) -> bool:
        """Whether it depends on a score: a label always does."""
        return True

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Return whether the label is one of those named."""
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
        """Return whether the state is one of those named.

        A signal that the service loses by itself is lost, whatever the headset sends.
        """
        if seen.state is None:
            return None
        return seen.state in self.is_ or (seen.overloaded and State.STALE in self.is_)


class ReasonIs(Condition):
    """The reasons why the newest window has no scores."""

    of: Literal["reason"]
    is_: Annotated[tuple[Reason, ...], Field(alias="is", min_length=1)]

    def holds(self, seen: Seen, held: bool) -> bool | None:
        """Return whether the window has one of the reasons."""
        if seen.prediction is None:
            return None
        return any(reason in self.is_ for reason in seen.prediction.reasons)


AnyCondition = Annotated[Level | Label | StateIs | ReasonIs, Field(discriminator="of")]


def condition_of(of: str) -> type[Condition]:
    """Return the kind of a condition by its key `of`, which must be a known one."""
    kinds: tuple[type[Condition], ...] = (Level, Label, StateIs, ReasonIs)
    return next(kind for kind in kinds if of in get_args(kind.model_fields["of"].annotation))


def all_hold(answers: list[bool | None]) -> bool | None:
    """Combine answers: no if any is no, else unknown if any is unknown, else yes."""
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True
