"""Holds a stream's metadata against the model's needs: a layout, or the reason why not."""

from __future__ import annotations

from eeg_emotion.eeg.layout import ChannelsMissing, Layout, plan_layout
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.resampling import HIGHEST_SFREQ, LOWEST_SFREQ
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.headset.inlet import StreamDescription


class StreamRefused(EegEmotionError):
    """The stream's rate or format cannot be brought to the model's."""


def admit(stream: StreamDescription, settings: PathSettings) -> Layout:
    """Check format, rate, labels and units of a stream.

    Raises
    ------
    StreamRefused, LayoutError
        If the stream cannot serve, with what was found, what was expected and the remedy.
    """
    if stream.is_text:
        raise StreamRefused(
            "found a stream of text, expected numbers; set a numeric channel format in the "
            "program that makes the outlet, or its type to Markers"
        )
    if not LOWEST_SFREQ <= stream.sfreq <= HIGHEST_SFREQ:
        raise StreamRefused(
            f"found a nominal rate of {stream.sfreq:g} Hz, expected {LOWEST_SFREQ:g} to "
            f"{HIGHEST_SFREQ:g} Hz; an irregular stream states 0. Set the rate in the program "
            "that makes the outlet"
        )
    if len(stream.labels) != stream.channel_count:
        raise ChannelsMissing(
            f"found {len(stream.labels)} channel labels in the metadata of a stream of "
            f"{stream.channel_count} channels, expected one for each under "
            "desc/channels/channel/label; set them in the program that makes the outlet"
        )
    return plan_layout(
        stream.labels,
        stream.units,
        channels=settings.channels,
        max_interpolated=settings.max_interpolated,
    )
