"""Collects a person's clean rest from a live headset. Pure: samples in, seconds counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.eeg.rest_baseline import fit_rest, rest_path


class RestCollection:
    """Cuts the signal into contiguous seconds without overlap, and keeps the clean ones.

    One thread feeds it, and may do so after it is finished; any thread may read the progress.

    Parameters
    ----------
    settings
        The model's signal path.
    layout
        How the stream's channels map to the model's.
    sfreq
        The stream's rate in Hz.
    seconds
        How much clean rest to collect.
    least_seconds
        How much the model needs at least.
    limits
        Thresholds of the signal quality.
    """

    def __init__(
        self,
        settings: PathSettings,
        layout: Layout,
        sfreq: float,
        *,
        seconds: int,
        least_seconds: int,
        limits: QualityLimits | None = None,
    ) -> None:
        self.seconds = seconds
        self._least_seconds = least_seconds
        # The model's settling time applies. Training sets it to 0, because it uses whole
        # recordings and skips their first seconds itself; here a second right after a start, a gap
        # or a bad sample would contain the filters' ringing.
        self._path = SignalPath(rest_path(settings), layout, sfreq, limits=limits)
        self._settings = settings
        self._segment = self._path.segment()
        self._unsettled = Reason.WARMING_UP
        self._pieces: list[NDArray[np.float32]] = []
        self._refused: Counter[Reason] = Counter()

    @property
    def clean_seconds(self) -> int:
        """The number of clean seconds so far."""
        return len(self._pieces)

    @property
    def finished(self) -> bool:
        """Return whether all requested clean rest has been collected."""
        return len(self._pieces) >= self.seconds

    @property
    def refused(self) -> Counter[Reason]:
        """The seconds that were not counted, by their first reason."""
        return self._refused.copy()

    def feed(self, samples: NDArray[np.floating]) -> None:
        """Process the stream's next samples; once finished, they change nothing.

        Parameters
        ----------
        samples
            `(stream channels, samples)` in the stream's units.
        """
        if self.finished:
            return
        for window in self._segment.feed(samples):
            if self.finished:
                continue  # the segment's iterator must be run to its end
            if not window.settled:
                self._refused[self._unsettled] += 1
            elif window.quality.faults:
                self._refused[window.quality.faults[0]] += 1
            else:
                self._pieces.append(window.features)

    def restart(self) -> None:
        """Start over after a gap: clean seconds are kept, the filters have to settle again."""
        self._segment = self._path.segment()
        self._unsettled = Reason.GAP

    def normaliser(self) -> Normaliser:
        """Return the person's normaliser, fitted as in training to all clean rest collected.

        Raises
        ------
        RestError
            If there is less rest than the model needs, or a feature does not vary.
        """
        return fit_rest(
            self._pieces,
            self._settings,
            least_seconds=self._least_seconds,
            most_seconds=self.seconds,
        )
