"""An LSL inlet of one headset: opened with a timeout, read without blocking.

`recover=False` on purpose: liblsl's own recovery silently resumes a stream that came back with
other labels or another rate. Here a lost stream is lost, and a stream that returns gets a new
inlet, whose metadata is checked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.slug import slug

_OPEN_TIMEOUT_SECONDS = 5.0  # opening takes 11 ms and the first clock offset 0.6 s on loopback
_BUFFER_SECONDS = 12  # longer than any pause of ours; overflow drops the oldest samples silently
_FULL = 0.95  # of the buffer; samples arrive while it is read
_CALLS_BEFORE_PULL = 16
LARGEST_PULL_SECONDS = 2.0  # after a pause the backlog is read in pieces, so others get their turn


class HeadsetLostError(EegEmotionError):
    """The stream's source is gone: its process ended or its connection broke."""


class HeadsetUnreachableError(EegEmotionError):
    """A stream that was announced cannot be opened."""


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """A stream's metadata, as stated by its source.

    Attributes
    ----------
    uid
        Changes with every outlet.
    channel_count, labels, units
        There may be fewer or more labels than channels; a unit that is not stated is empty.
    sfreq
        The nominal rate in Hz; 0 for an irregular stream.
    is_text
        True if the channels contain text.
    simulated
        True if the source states that the signal does not come from a person.
    replay_speed
        Above 1 if the source is a recording whose stamps run ahead of the clock.
    """

    uid: str
    channel_count: int
    labels: tuple[str, ...]
    units: tuple[str, ...]
    sfreq: float
    is_text: bool
    simulated: bool
    replay_speed: float


def headset_id(info: pylsl.StreamInfo) -> str:
    """Return the id of the headset that a stream belongs to; see `headset_id_from`."""
    return headset_id_from(info.source_id(), info.name(), info.hostname())


def headset_id_from(source_id: str, name: str, hostname: str) -> str:
    """Return a headset's id: the `slug` of its source id, or else of name and host."""
    return slug(source_id or f"{name}@{hostname}", "headset")


class HeadsetInlet:
    """One open inlet.

    Attributes
    ----------
    description
        The stream's metadata, read through the open connection: discovery does not return them.
    overflowed
        True if the last `pull` came so late that liblsl's buffer was full and had dropped samples.
    """

    overflowed = False

    def __init__(self, info: pylsl.StreamInfo) -> None:
        """Open the stream; this blocks, so call it outside the event loop's thread."""
        self._closed = False
        self._inlet = pylsl.StreamInlet(
            info, max_buflen=_BUFFER_SECONDS, recover=False, as_numpy=True
        )
        try:
            full = self._inlet.info(timeout=_OPEN_TIMEOUT_SECONDS)
            self._inlet.open_stream(timeout=_OPEN_TIMEOUT_SECONDS)
            self._offset = self._inlet.time_correction(timeout=_OPEN_TIMEOUT_SECONDS)
        except pylsl.util.LostError as error:
            raise HeadsetUnreachableError(
                f"the stream {info.name()!r} on {info.hostname()} was announced, but its source "
                "closed the connection while it was opened; start it again"
            ) from error
        except (TimeoutError, pylsl.util.TimeoutError) as error:
            raise HeadsetUnreachableError(
                f"the stream {info.name()!r} on {info.hostname()} was announced but could not be "
                f"opened within {_OPEN_TIMEOUT_SECONDS:.0f} s: {error or type(error).__name__}; "
                "look for a firewall, or a source that has stopped"
            ) from error
        self.description = _describe(full)
        rate = self.description.sfreq or 1000.0
        self._most = max(1, int(LARGEST_PULL_SECONDS * rate))
        self._capacity = int(_BUFFER_SECONDS * rate)
        self._calls = 0
        self._nothing = np.empty((self.description.channel_count, 0)), np.empty(0)

    @property
    def clock_offset(self) -> float:
        """Seconds to add to the stream's stamps for this machine's LSL clock."""
        return float(self._offset)

    def refresh_clock_offset(self) -> None:
        """Update `clock_offset` to liblsl's newest estimate; liblsl measures in the background."""
        try:
            self._offset = self._inlet.time_correction(timeout=0.05)
        except pylsl.util.TimeoutError:
            return  # the last estimate still holds: clocks drift by some ms an hour
        except pylsl.util.LostError as error:
            raise HeadsetLostError("the stream's source closed the connection") from error

    def pull(self, min_samples: int = 1) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        """Return what has arrived, without blocking.

        Parameters
        ----------
        min_samples
            With fewer samples than this nothing is returned, except on every 16th call.

        Returns
        -------
        tuple
            Samples `(channels, samples)` in the stream's units, and their stamps `(samples,)` in
            seconds by the source's clock.

        Raises
        ------
        HeadsetLostError
            If the source closed the connection, or `close` was called.
        """
        if self._closed:
            # liblsl would silently reopen the stream.
            raise HeadsetLostError("the connection was closed from this side")
        # This check costs a tenth of a pull; but only a pull detects a closed connection.
        self._calls += 1
        if self._calls < _CALLS_BEFORE_PULL and self._inlet.samples_available() < min_samples:
            return self._nothing
        self._calls = 0
        try:
            samples, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=self._most)
        except pylsl.util.LostError as error:
            raise HeadsetLostError("the stream's source closed the connection") from error
        self.overflowed = len(stamps) >= self._most and self._drop_backlog()
        return samples.T, np.asarray(stamps, dtype=np.float64)

    def _drop_backlog(self) -> bool:
        """Drop what is left of a buffer that was full; return whether it was.

        What was pulled from it is old, and what is left of it would be, too, by the time of its
        turn: the newest samples are those that describe the person now.
        """
        if self._most + self._inlet.samples_available() < _FULL * self._capacity:
            return False
        self._inlet.flush()
        return True

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._inlet.close_stream()


def _describe(info: pylsl.StreamInfo) -> StreamDescription:
    count = info.channel_count()
    desc = info.desc()
    parent = desc.child("channels")
    # NeuroElectrics puts the channels directly under desc, and calls a label a name.
    channels = list(_children(desc if parent.child("channel").empty() else parent, "channel"))
    labels = [_value(channel, "label") or _value(channel, "name") for channel in channels]
    units = [_value(channel, "unit") for channel in channels]
    return StreamDescription(
        uid=info.uid(),
        channel_count=count,
        labels=tuple(labels) if any(labels) else (),
        units=(*units, *[""] * (count - len(units))) if len(units) <= count else ("",) * count,
        sfreq=info.nominal_srate(),
        is_text=info.channel_format() == pylsl.cf_string,
        simulated=_value(desc, "simulated").lower() == "true",
        replay_speed=_speed(_value(desc.child("replay"), "speed")),
    )


def _children(element: pylsl.XMLElement, name: str) -> Iterator[pylsl.XMLElement]:
    child = element.child(name)
    while not child.empty():
        yield child
        child = child.next_sibling(name)


def _value(element: pylsl.XMLElement, name: str) -> str:
    return str(element.child_value(name)).strip()


def _speed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0  # not stated, or not by this project's replayer
