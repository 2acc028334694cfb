"""DEAP trials through the service's own signal path, to windows of features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.path import GRID_SECONDS, PathSettings, SignalPath
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.recordings.deap import (
    BASELINE_SAMPLES,
    SFREQ_HZ,
    DeapPerson,
    find_people,
    read_person,
)


class DataError(EegEmotionError):
    """The data cannot be trained on."""


@dataclass(frozen=True, slots=True)
class PersonWindows:
    """One person's windows.

    Attributes
    ----------
    number
        The person's number in the data set.
    features
        `(trials, windows, steps, features)` float32, not yet normalised.
    ratings
        `(trials, 4)`: valence, arousal, dominance, liking, 1 to 9.
    simulated
        True where no person's brain made the signal.
    sha256
        Digest of the source file.
    """

    number: int
    features: NDArray[np.float32]
    ratings: NDArray[np.float64]
    simulated: bool
    sha256: str


def read_windows(
    folder: Path, settings: PathSettings, announce: Callable[[str], None]
) -> list[PersonWindows]:
    """Read all people of a folder and cut their trials.

    Raises
    ------
    RecordingError
        If a file is not in DEAP's format.
    DataError
        If simulated and other people are mixed, or settings do not fit DEAP.
    """
    people = []
    for number, path in sorted(find_people(folder).items()):
        person = read_person(path)
        people.append(cut_person(number, person, settings))
        announce(f"read {path.name}: {people[-1].features.shape[0]} trials")
    if len({person.simulated for person in people}) > 1:
        raise DataError(
            f"{folder}: found simulated people beside others, expected only one kind; keep them "
            "in folders of their own"
        )
    return people


def cut_person(number: int, person: DeapPerson, settings: PathSettings) -> PersonWindows:
    """Cut each trial into windows that touch but do not overlap.

    The 3 s before the video settle the filters, so that the first window begins with the video;
    each trial is a contiguous segment of its own.
    """
    if settings.sfreq != SFREQ_HZ:
        raise DataError(f"found a model rate of {settings.sfreq} Hz, expected DEAP's {SFREQ_HZ}")
    if settings.settle_samples > BASELINE_SAMPLES:
        raise DataError(
            f"found filters that settle in {settings.settle_seconds:g} s, expected at most the "
            f"{BASELINE_SAMPLES / SFREQ_HZ:g} s of baseline before each video"
        )
    # The finest hop, then every window's length: the path's own grid, whatever its hop live.
    path = SignalPath(
        replace(settings, hop_seconds=GRID_SECONDS),
        identity_layout(settings.channels),
        settings.sfreq,
    )
    trials = []
    for trial in person.eeg(baseline=True):
        windows = [
            window.features
            for window in path.segment().feed(trial)
            if window.first_sample >= BASELINE_SAMPLES
            and (window.first_sample - BASELINE_SAMPLES) % settings.window_samples == 0
        ]
        trials.append(np.stack(windows))
    return PersonWindows(
        number=number,
        features=np.stack(trials),
        ratings=np.asarray(person.labels, dtype=np.float64),
        simulated=person.simulated,
        sha256=person.sha256,
    )


def digest(people: Sequence[PersonWindows]) -> str:
    """Give one digest for a set of people, whatever their order."""
    lines = sorted(f"{person.number}:{person.sha256}" for person in people)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
