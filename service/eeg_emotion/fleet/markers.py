"""The headsets' marker streams: discovered, read, dated by the headsets' clocks, published.

A marker stream has the headset's source id with the suffix ``-markers``. Whether it appears,
disappears or sends nonsense never affects the headset.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pylsl

from eeg_emotion.fleet.connection import HeadsetConnection
from eeg_emotion.fleet.rate_limit import MOST_A_SECOND, RateLimit
from eeg_emotion.logs import get_logger
from eeg_emotion.lsl.markers import (
    MarkerInlet,
    MarkersLostError,
    MarkersRefusedError,
    read_marker,
)
from eeg_emotion.lsl.stream_types import MARKERS_TYPE, is_of_type
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Marker

logger = get_logger(__name__)

SUFFIX = "-markers"
"""What a marker stream appends to the source id of its headset."""

_READ_SECONDS = 0.05  # a few ms more or less do not matter for a marker, and a pull costs 5 µs
_IGNORE_ENDED_SECONDS = 4.0  # discovery reports a dead stream for up to 3 s more
_OLDEST_SECONDS = 3600.0  # what a suspended machine finds on waking
_FUTURE_SECONDS = 5.0  # as for the first samples: one clock offset over an unknown network
_AHEAD_SECONDS = 1e9  # of a recording that is played fast


@dataclass(slots=True)
class _Stream:
    """An open marker stream; `lost` is set by the poller's thread."""

    uid: str
    inlet: MarkerInlet
    lost: bool = False


@dataclass(slots=True)
class _Followed:
    """A headset whose markers are read, with its current connection."""

    connection: HeadsetConnection
    stream: _Stream | None = None
    rate_limit: RateLimit = field(default_factory=RateLimit)


class Markers:
    """Follows the headsets' marker streams.

    Parameters
    ----------
    bus
        Receives the markers.
    loop
        The event loop, in whose thread they are published.
    clock
        This machine's LSL clock, seconds.
    utc
        Unix time, seconds.
    """

    def __init__(
        self,
        bus: Bus,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = pylsl.local_clock,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._loop = loop
        self._clock = clock
        self._utc = utc
        self._lock = threading.Lock()
        self._followed: dict[str, _Followed] = {}
        self._ended: dict[str, float] = {}
        self._due = -math.inf

    # In the event loop's thread.

    def follow(
        self, connections: Mapping[str, HeadsetConnection], sighted: Iterable[pylsl.StreamInfo]
    ) -> None:
        """Open the visible marker streams of these headsets, and close those of no headset.

        A stream stays open while its headset is away, since markers sent meanwhile belong to the
        recording too. This does not block.
        """
        now = self._clock()
        found = _by_source(sighted)
        visible = {uid for streams in found.values() for uid in streams}
        for uid, until in list(self._ended.items()):
            if now > until or (math.isinf(until) and uid not in visible):
                del self._ended[uid]
        for identifier, followed in list(self._followed.items()):
            connection = connections.get(identifier)
            if connection is None or connection.quarantine is not None:
                self._close(followed)
            if connection is None:
                with self._lock:
                    del self._followed[identifier]
        for connection in connections.values():
            streams = found.get(connection.source_id + SUFFIX, {})
            # Without a source id, a headset's markers cannot be distinguished from others'.
            if connection.quarantine is None and connection.source_id:
                self._follow(connection, streams, now)

    def _follow(
        self, connection: HeadsetConnection, streams: dict[str, pylsl.StreamInfo], now: float
    ) -> None:
        followed = self._followed.get(connection.id)
        if followed is not None:
            followed.connection = connection
            current = followed.stream
            if current is not None and current.lost:
                self._ended[current.uid] = now + _IGNORE_ENDED_SECONDS
                self._close(followed)
            elif current is not None and (current.uid in streams or not streams):
                return
        for uid, info in streams.items():
            if uid not in self._ended and (inlet := self._open(connection, info, now)) is not None:
                break
        else:
            return
        if followed is None:
            followed = _Followed(connection)
            with self._lock:
                self._followed[connection.id] = followed
        self._close(followed)  # one that is no longer visible and has a successor
        followed.stream = _Stream(uid, inlet)

    def _open(
        self, connection: HeadsetConnection, info: pylsl.StreamInfo, now: float
    ) -> MarkerInlet | None:
        try:
            return MarkerInlet(info)
        except MarkersRefusedError as error:
            logger.warning("markers not read", headset=connection.id, why=str(error))
            self._ended[info.uid()] = math.inf
        except Exception:  # whatever it is, the headset continues without markers
            logger.exception("markers cannot be read", headset=connection.id)
            self._ended[info.uid()] = now + _IGNORE_ENDED_SECONDS
        return None

    def _close(self, followed: _Followed) -> None:
        if followed.stream is not None:
            followed.stream.inlet.close()
            followed.stream = None

    def _publish(self, markers: list[Marker]) -> None:
        for marker in markers:
            if marker.headset in self._followed:  # it may have been forgotten meanwhile
                self._bus.publish(marker)

    # In the poller's thread.

    def read(self) -> None:
        """Read the open streams and publish their markers, if that is due."""
        # Read together: any delay between the two would misdate every marker.
        now, utc = self._clock(), self._utc()
        if now < self._due:
            return
        self._due = now + _READ_SECONDS
        with self._lock:
            everyone = list(self._followed.values())
        markers: list[Marker] = []
        for followed in everyone:
            stream = followed.stream
            if stream is not None and not stream.lost:
                try:
                    self._read(followed, stream.inlet, now, utc - now, markers)
                except MarkersLostError:
                    stream.lost = True
                except Exception:  # whatever it is, headsets and other markers continue
                    logger.exception("markers cannot be read", headset=followed.connection.id)
                    stream.lost = True
            if left_out := followed.rate_limit.stretch(now):
                logger.warning(
                    "markers left out",
                    headset=followed.connection.id,
                    count=left_out,
                    allowed=f"{MOST_A_SECOND} a second",
                )
        if markers:
            self._loop.call_soon_threadsafe(self._publish, markers)

    def _read(
        self,
        followed: _Followed,
        inlet: MarkerInlet,
        now: float,
        utc_offset: float,
        markers: list[Marker],
    ) -> None:
        connection = followed.connection
        active, description = connection.active, connection.stream
        if active is None or description is None or (to_local := active.pipeline.to_local) is None:
            return  # they wait in the inlet until the headset's clock is known
        # The same correction as for the headset's samples: the offset to this machine's clock, Unix
        # time recognised, and jumps of the clock removed as soon as a sample has shown them. If the
        # stamp is still implausible, as when another program on another clock sends the markers,
        # the time of arrival is the better estimate.
        latest = _AHEAD_SECONDS if description.replay_speed > 1.0 else _FUTURE_SECONDS
        texts, stamps, dropped = inlet.pull(MOST_A_SECOND)
        for data, stamp in zip(texts, stamps.tolist(), strict=True):
            if not followed.rate_limit.acquire(now):
                continue
            content = read_marker(data)
            local = stamp + to_local
            if not -_OLDEST_SECONDS <= local - now <= latest:
                local = now
            markers.append(
                Marker(
                    headset=connection.id,
                    time=local + utc_offset,
                    text=content.text,
                    ratings=content.ratings,
                )
            )
        if dropped:
            followed.rate_limit.leave_out(dropped, now)


def _by_source(sighted: Iterable[pylsl.StreamInfo]) -> dict[str, dict[str, pylsl.StreamInfo]]:
    found: dict[str, dict[str, pylsl.StreamInfo]] = defaultdict(dict)
    for info in sighted:
        try:
            if is_of_type(info.type(), (MARKERS_TYPE,)):
                found[info.source_id()][info.uid()] = info
        except UnicodeDecodeError:
            continue  # no headset has such a name
    return found
