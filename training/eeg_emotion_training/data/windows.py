"""A person's trials through the service's own signal path, to windows of measures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import GRID_SECONDS, PathSettings, SignalPath, Window
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.eeg.rest_baseline import MOST_REST_SECONDS, RestError, fit_rest, rest_path
from eeg_emotion_training.data.sources import DataError, PersonSignal, Rest, Trial


@dataclass(frozen=True, slots=True)
class PersonWindows:
    """One person's windows.

    Attributes
    ----------
    person
        Their name in the data set.
    measures
        `(windows, steps, measures)` float32, before any normaliser.
    trial
        `(windows,)`: for each window its trial's index, rising.
    scorable
        `(windows,)`: False where the service would refuse to score, for the signal's quality.
    high
        `(trials, labels)`: whether each label is high.
    stimuli
        `(trials,)`: what was shown.
    rest
        The normaliser of the person's own rest; None where there is too little of it.
    """

    person: str
    measures: NDArray[np.float32]
    trial: NDArray[np.int32]
    scorable: NDArray[np.bool_]
    high: NDArray[np.bool_]
    stimuli: tuple[str, ...]
    rest: Normaliser | None

    def only_scorable(self) -> PersonWindows:
        """Leave out the windows that the service would refuse to score."""
        if self.scorable.all():
            return self
        return replace(
            self,
            measures=self.measures[self.scorable],
            trial=self.trial[self.scorable],
            scorable=self.scorable[self.scorable],
        )


def cut_person(
    person: str,
    signal: PersonSignal,
    settings: PathSettings,
    baseline: bool = False,
    limits: QualityLimits | None = None,
) -> PersonWindows:
    """Cut each trial into windows that touch but do not overlap.

    Parameters
    ----------
    person
        The name.
    signal
        The trials and the rest.
    settings
        The model's signal path; its hop does not matter here.
    baseline
        True cuts from the first sample that a trial comes with, its baseline inside, as the paper
        did; the filters then have no time to settle. False cuts from the trial's onset, and what
        comes before it only settles the filters.
    limits
        Thresholds of the signal quality, where they are not the service's defaults.

    Raises
    ------
    DataError
        If not one whole window fits.
    """
    if baseline:
        settings = replace(settings, settle_seconds=0.0)
    path = SignalPath(
        # The finest hop, then every window's length: the path's own grid, whatever its hop live.
        replace(settings, hop_seconds=GRID_SECONDS),
        signal.layout,
        signal.sfreq,
        limits=limits,
    )
    measures, trial_of, scorable = [], [], []
    for number, trial in enumerate(signal.trials):
        for window in _of_trial(path, trial, 0 if baseline else trial.onset):
            measures.append(window.features)
            trial_of.append(number)
            scorable.append(not window.quality.faults)
    if not measures:
        raise DataError(
            f"{person}: found no trial that holds a whole window of "
            f"{settings.window_seconds:g} s, expected longer trials; cut them longer, or "
            "leave the person out"
        )
    return PersonWindows(
        person=person,
        measures=np.stack(measures),
        trial=np.array(trial_of, dtype=np.int32),
        scorable=np.array(scorable, dtype=np.bool_),
        high=np.stack([trial.high for trial in signal.trials]),
        stimuli=tuple(trial.stimulus for trial in signal.trials),
        rest=_fit_rest(signal, settings, limits),
    )


def _of_trial(path: SignalPath, trial: Trial, start: int) -> Iterator[Window]:
    settings = path.settings
    per_sample = path.sfreq / settings.sfreq
    # The first place on the path's grid at which the trial has begun and the filters have settled.
    first = max(start / per_sample, settings.settle_samples) / settings.block_samples
    expected = math.ceil(round(first, 6)) * settings.block_samples
    for window in path.segment().feed(trial.samples):
        if window.last_sample >= trial.end:
            break
        # Compared at the stream's rate, where the path rounded: backwards it would round again.
        if window.first_sample == round(expected * per_sample):
            yield window
            expected += settings.window_samples


def _fit_rest(
    signal: PersonSignal, settings: PathSettings, limits: QualityLimits | None
) -> Normaliser | None:
    path = SignalPath(
        replace(rest_path(settings), settle_seconds=0.0),
        signal.layout,
        signal.sfreq,
        limits=limits,
    )
    pieces: list[NDArray[np.float32]] = []
    for rest in signal.rest:
        if len(pieces) >= MOST_REST_SECONDS:
            break
        pieces += _rest_pieces(path, rest)
    try:
        return fit_rest(pieces, settings)
    except RestError:
        # Only a study with rest baselines needs one; it reports who has none.
        return None


def _rest_pieces(path: SignalPath, rest: Rest) -> list[NDArray[np.float32]]:
    return [
        window.features
        for window in path.segment().feed(rest.samples)
        if window.first_sample >= rest.skip_seconds * path.sfreq and not window.quality.faults
    ]
