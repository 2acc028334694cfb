"""Checks a stream's metadata against the model's needs: a layout, or the reason for refusal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.caps import Cap
from eeg_emotion.eeg.layout import ChannelsMissing, Layout, UnitUnstated, plan_layout
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.resampling import HIGHEST_SFREQ, LOWEST_SFREQ
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.lsl.inlet import StreamDescription


class StreamRefused(EegEmotionError):
    """The stream's rate or format cannot be converted to the model's."""


def admit(
    stream: StreamDescription,
    settings: PathSettings,
    *,
    cap: Cap | None = None,
    amplitudes: NDArray[np.float64] | None = None,
) -> Layout:
    """Check format, rate, labels and units of a stream.

    Labels name the first channels; those behind them without a label are not used.

    Parameters
    ----------
    cap, amplitudes
        As for `plan_layout`: the electrodes behind numbered labels, and `(stream channels,)`
        amplitudes from which a unit that is not stated is inferred.

    Raises
    ------
    StreamRefused, LayoutError
        If the stream cannot be used, with what was found, what was expected and the remedy;
        `UnitUnstated` if amplitudes are needed.
    """
    if stream.is_text:
        raise StreamRefused(
            "found a stream of text, expected numbers; set a numeric channel format in the "
            "program that makes the outlet, or its type to Markers"
        )
    if stream.sfreq == 0.0:
        raise StreamRefused(
            "found a nominal rate of 0, which says that samples come irregularly, expected "
            f"{LOWEST_SFREQ:g} to {HIGHEST_SFREQ:g} Hz: a window needs samples at equal intervals; "
            "if the headset samples regularly, state its rate as the nominal rate in the program "
            "that makes the outlet (pylsl: StreamInfo's nominal_srate), otherwise resample there"
        )
    if not LOWEST_SFREQ <= stream.sfreq <= HIGHEST_SFREQ:
        raise StreamRefused(
            f"found a nominal rate of {stream.sfreq:g} Hz, expected {LOWEST_SFREQ:g} to "
            f"{HIGHEST_SFREQ:g} Hz; set the rate in the program "
            "that makes the outlet"
        )
    if len(stream.labels) > stream.channel_count or not stream.labels:
        raise ChannelsMissing(
            f"found {len(stream.labels)} channel labels in the metadata of a stream of "
            f"{stream.channel_count} channels, expected one per channel under "
            "desc/channels/channel/label; set the labels in the program that makes the outlet"
            + ("" if stream.labels else ", or name the electrodes with --cap")
        )
    unnamed = range(len(stream.labels) + 1, stream.channel_count + 1)
    return plan_layout(
        (*stream.labels, *(f"({number}: no label)" for number in unnamed)),
        stream.units,
        channels=settings.channels,
        max_interpolated=settings.max_interpolated,
        cap=cap,
        amplitudes=amplitudes,
    )


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted stream; its unit may still have to be inferred from its amplitude.

    Attributes
    ----------
    layout
        How its channels map to the model's; None where `infer_unit` has to find it.
    """

    layout: Layout | None
    _stream: StreamDescription
    _settings: PathSettings
    _cap: Cap | None

    @classmethod
    def of(
        cls, stream: StreamDescription, settings: PathSettings, cap: Cap | None = None
    ) -> Admission:
        """Admit a stream.

        Raises
        ------
        StreamRefused, LayoutError
            If it cannot be used, whatever its amplitude.
        """
        if not stream.labels and cap is not None:
            # Naming the cap says what its numbers are; without labels the numbers are the order.
            numbers = range(1, stream.channel_count + 1)
            stream = replace(stream, labels=tuple(f"Ch{number}" for number in numbers))
        try:
            layout = admit(stream, settings, cap=cap)
        except UnitUnstated:
            layout = None
        return cls(layout, stream, settings, cap)

    @property
    def sfreq(self) -> float:
        """The stream's nominal rate in Hz."""
        return self._stream.sfreq

    @property
    def channel_count(self) -> int:
        """The number of channels of the stream."""
        return self._stream.channel_count

    def infer_unit(self, amplitudes: NDArray[np.float64]) -> Layout:
        """Infer the unit from `(channels,)` RMS amplitudes in the stream's own unit.

        Raises
        ------
        UnitSuspect
            If they match no unit, or do not agree on one.
        """
        return admit(self._stream, self._settings, cap=self._cap, amplitudes=amplitudes)
