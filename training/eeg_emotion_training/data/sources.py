"""Where labelled EEG comes from: people, their trials, and their rest, as signals.

Every data set is brought to this shape once, and all that follows works on any of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.layout import Layout
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import LabelPolicy


class DataError(EegEmotionError):
    """The data cannot be trained on."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One labelled stretch of contiguous signal.

    Attributes
    ----------
    samples
        `(stream channels, samples)` in the stream's units: what comes before the trial, so that
        the filters can settle, the trial itself, and what the resampler needs after it.
    onset, end
        The trial's first sample, and one past its last.
    high
        `(labels,)`: whether each of the source's labels is high.
    stimulus
        What was shown; trials of one stimulus share its name, for all people.
    """

    samples: NDArray[np.floating]
    onset: int
    end: int
    high: NDArray[np.bool_]
    stimulus: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Contiguous signal of a person at rest, without a label.

    Attributes
    ----------
    samples
        `(stream channels, samples)` in the stream's units.
    skip_seconds
        What is left to the filters at its beginning.
    """

    samples: NDArray[np.floating]
    skip_seconds: float


@dataclass(frozen=True, slots=True)
class PersonSignal:
    """All that is known of a person."""

    layout: Layout
    sfreq: float
    trials: Sequence[Trial]
    rest: Sequence[Rest]


class Source(Protocol):
    """A labelled data set.

    Attributes
    ----------
    name
        The data set's, with the word *simulated* where its people are.
    simulated
        True where no person's brain made the signals.
    labels
        The names of what can be learnt.
    label_policy
        What "high" means.
    digests
        For each person the SHA-256 of all that their signal and labels came from.
    notes
        What must be stated with a result, such as that people are missing.
    baseline_seconds
        Signal before each trial's onset that the paper counts to the trial; None where the
        paper's protocol does not apply.
    """

    @property
    def name(self) -> str:
        """Name the data set."""
        ...

    @property
    def simulated(self) -> bool:
        """Return whether its people are simulated."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Name what can be learnt."""
        ...

    @property
    def label_policy(self) -> LabelPolicy:
        """Return what high means."""
        ...

    @property
    def digests(self) -> Mapping[str, str]:
        """Return each person's digest."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what must be stated with a result."""
        ...

    @property
    def baseline_seconds(self) -> float | None:
        """Return the baseline inside the paper's trials."""
        ...

    def read(self, person: str) -> PersonSignal:
        """Read one person.

        Raises
        ------
        EegEmotionError
            If a file is missing, damaged or not in the expected form.
        """
        ...


def digest_of(digests: Mapping[str, str]) -> str:
    """Return one digest for a set of people, whatever their order."""
    lines = (f"{person}:{sha256}" for person, sha256 in sorted(digests.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def refuse_unknown(target: str, source: Source) -> None:
    """Refuse a target that is none of the data set's labels."""
    if target not in source.labels:
        raise DataError(
            f"found the target {target!r}, expected one of {', '.join(source.labels)}, the labels "
            f"of {source.name}"
        )
