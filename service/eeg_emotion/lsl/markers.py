"""A headset's stream of markers, as an LSL inlet, and what a marker says.

Anything may come on it, so nothing of it is trusted: what is no marker is text, and what is too
long is cut before it costs anything.
"""

from __future__ import annotations

import contextlib
import json
import unicodedata
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError

LONGEST_TEXT = 300
"""Characters of a marker's text; the rest is cut."""

_RATED = ("valence", "arousal")
_LOWEST, _HIGHEST = 1.0, 9.0  # of the self-assessment manikins, as in DEAP
_LONGEST_JSON_BYTES = 4096  # read in 20 µs; the text in it may be all escapes
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # a lone surrogate cannot be encoded for subscribers
_BUFFER_SECONDS = 1  # of an irregular stream liblsl makes that 100 markers


class MarkersRefusedError(EegEmotionError):
    """A stream of markers that is none of text."""


class MarkersLostError(EegEmotionError):
    """The source of a stream of markers is gone."""


@dataclass(frozen=True, slots=True)
class MarkerContent:
    """What a marker says.

    Attributes
    ----------
    text
        At most `LONGEST_TEXT` characters, without control characters.
    ratings
        Valence and arousal from 1 to 9, both or None.
    """

    text: str
    ratings: dict[str, float] | None


def read_marker(data: bytes) -> MarkerContent:
    """Read a marker: a JSON object with "text" and perhaps "ratings", else plain text."""
    # Cut first: ten megabytes of one marker must not cost the time of the others.
    raw = data[:_LONGEST_JSON_BYTES].decode("utf-8", "replace")
    try:
        found = json.loads(raw) if len(data) <= _LONGEST_JSON_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return MarkerContent(_clean(raw), None)
    text = found.get("text")
    return MarkerContent(
        _clean(text if isinstance(text, str) else raw), _ratings(found.get("ratings"))
    )


class MarkerInlet:
    """One open inlet of a stream of markers; it never waits, and needs no thread of ours.

    Parameters
    ----------
    info
        As found. Its connection is opened in the background: markers from then on are given.

    Raises
    ------
    MarkersRefusedError
        If the stream is not one channel of text at an irregular rate.
    """

    def __init__(self, info: pylsl.StreamInfo) -> None:
        is_text = info.channel_format() == pylsl.cf_string
        # Of a stream with a rate liblsl would buffer as much as that rate says.
        if not (is_text and info.channel_count() == 1 and info.nominal_srate() == 0.0):
            raise MarkersRefusedError(
                f"found a stream of markers with {info.channel_count()} channels of "
                f"{'text' if is_text else 'numbers'} at {info.nominal_srate():g} Hz, expected one "
                "channel of text (cf_string) at an irregular rate (0); its markers are not read"
            )
        self._closed = False
        # As bytes: one that is not UTF-8 would fail here otherwise.
        self._inlet = pylsl.StreamInlet(
            info, max_buflen=_BUFFER_SECONDS, recover=False, as_numpy=True
        )
        # Begins the connection; that it is not there yet, or was lost, shows in `pull`.
        with contextlib.suppress(TimeoutError, pylsl.util.TimeoutError, pylsl.util.LostError):
            self._inlet.open_stream(timeout=0.0)

    def pull(self, most: int) -> tuple[list[bytes], NDArray[np.float64], int]:
        """Take what has come, without waiting.

        Parameters
        ----------
        most
            How many markers to take; what is there beyond is dropped unread.

        Returns
        -------
        tuple
            The markers, oldest first, their stamps `(markers,)` in seconds by the source's clock,
            and how many more were dropped. What liblsl's own buffer of 100 dropped before is not
            known.

        Raises
        ------
        MarkersLostError
            If the source closed the connection, or `close` was called.
        """
        if self._closed:
            # liblsl would open the stream again without a word.
            raise MarkersLostError("the connection was closed from this side")
        try:
            values, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=most)
        except pylsl.util.LostError as error:
            raise MarkersLostError("the source of the markers closed the connection") from error
        dropped = self._inlet.flush() if len(stamps) == most else 0
        return [bytes(value) for value in values[:, 0]], np.asarray(stamps, np.float64), dropped

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._inlet.close_stream()


def _clean(text: str) -> str:
    seen = "".join(
        character
        for character in " ".join(text.split())
        if unicodedata.category(character) not in _UNSEEN
    )
    return seen[:LONGEST_TEXT].strip()


def _ratings(found: object) -> dict[str, float] | None:
    if not isinstance(found, dict):
        return None
    values: dict[str, float] = {}
    for name in _RATED:
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # One beyond the scale speaks for another scale, on which the other means something else.
        if not _LOWEST <= value <= _HIGHEST:
            return None
        values[name] = float(value)
    return values
