"""A headset's marker stream, as an LSL inlet, and the content of markers.

It may carry anything, so nothing in it is trusted: what is not a marker is text, and what is too
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
_LOWEST, _HIGHEST = 1.0, 9.0  # the self-assessment manikin scale, as in DEAP
_LONGEST_JSON_BYTES = 4096  # parsed in 20 µs; the text in it may be all escapes
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # a lone surrogate cannot be encoded for subscribers
_BUFFER_SECONDS = 1  # for an irregular stream, liblsl takes this as 100 markers


class MarkersRefusedError(EegEmotionError):
    """A marker stream that does not carry text."""


class MarkersLostError(EegEmotionError):
    """The source of a marker stream is gone."""


@dataclass(frozen=True, slots=True)
class MarkerContent:
    """The content of a marker.

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
    """Parse a marker: a JSON object with "text" and optionally "ratings", or plain text."""
    # Cut first: one marker of ten megabytes must not delay the others.
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
    """One open inlet of a marker stream; it never blocks, and needs no thread of ours.

    Parameters
    ----------
    info
        The discovered stream. The connection is opened in the background: markers sent from then
        on are received.

    Raises
    ------
    MarkersRefusedError
        If the stream is not one channel of text at an irregular rate.
    """

    def __init__(self, info: pylsl.StreamInfo) -> None:
        is_text = info.channel_format() == pylsl.cf_string
        # For a stream with a nominal rate, liblsl would size the buffer by that rate.
        if not (is_text and info.channel_count() == 1 and info.nominal_srate() == 0.0):
            raise MarkersRefusedError(
                f"found a marker stream with {info.channel_count()} channels of "
                f"{'text' if is_text else 'numbers'} at {info.nominal_srate():g} Hz, expected one "
                "channel of text (cf_string) at an irregular rate (0); its markers are not read"
            )
        self._closed = False
        # As bytes: a marker that is not UTF-8 would otherwise fail here.
        self._inlet = pylsl.StreamInlet(
            info, max_buflen=_BUFFER_SECONDS, recover=False, as_numpy=True
        )
        # Starts the connection; if it is not open yet, or was lost, `pull` will show that.
        with contextlib.suppress(TimeoutError, pylsl.util.TimeoutError, pylsl.util.LostError):
            self._inlet.open_stream(timeout=0.0)

    def pull(self, most: int) -> tuple[list[bytes], NDArray[np.float64], int]:
        """Return what has arrived, without blocking.

        Parameters
        ----------
        most
            The largest number of markers to return; any beyond are dropped unread.

        Returns
        -------
        tuple
            The markers, oldest first, their stamps `(markers,)` in seconds by the source's clock,
            and how many more were dropped. Those dropped earlier by liblsl's own buffer of 100 are
            not counted.

        Raises
        ------
        MarkersLostError
            If the source closed the connection, or `close` was called.
        """
        if self._closed:
            # liblsl would silently reopen the stream.
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
        # A value off the scale suggests another scale, on which both would mean something else.
        if not _LOWEST <= value <= _HIGHEST:
            return None
        values[name] = float(value)
    return values
