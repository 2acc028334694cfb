"""All headsets: found, checked against the model, followed, lost and found again.

A connection gets a fresh inlet, a fresh check of its metadata and a fresh epoch each time. What
does not fit is quarantined with the reason and the remedy, and never guessed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.admission import StreamRefused, admit
from eeg_emotion.api.metrics import Metrics
from eeg_emotion.connection import Connection, Line
from eeg_emotion.eeg.layout import LayoutError
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.headset.discovery import Discovery
from eeg_emotion.headset.inlet import HeadsetInlet, HeadsetUnreachableError, headset_id
from eeg_emotion.headset.link import State
from eeg_emotion.headset.poller import Poller
from eeg_emotion.inference.model import Model
from eeg_emotion.monitor import ClockError, Monitor
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Headset, Prediction, Status

logger = logging.getLogger(__name__)

_ROUND_SECONDS = 0.25  # finds a returning headset, and tells a stale one, well within 1 s
_COUNTS_SECONDS = 5.0  # how old the counts of samples and gaps may be on a page
_FORGET_LOST_SECONDS = 600.0  # a lost headset stays listed this long, so that it is missed
# Discovery reports a dead stream for up to 3 s more; one that is still there then is opened anew.
_IGNORE_CLOSED_SECONDS = 4.0
_IGNORE_SUPERSEDED_SECONDS = 60.0  # a frozen process that wakes up again stays out of the way


class Fleet:
    """Runs a line for each headset that can serve the model.

    Parameters
    ----------
    model
        The model.
    settings
        Its signal path, with the hop that this service runs at.
    bus
        Where predictions and changes of state go.
    metrics
        What is counted.
    clock
        Judges silence; seconds.
    """

    def __init__(
        self,
        model: Model,
        settings: PathSettings,
        bus: Bus,
        metrics: Metrics,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self._clock = clock
        self._model = model
        self._settings = settings
        self._bus = bus
        self._metrics = metrics
        self._poller = Poller()
        self._connections: dict[str, Connection] = {}
        self._told: dict[str, tuple[State, str]] = {}
        self._counts_told = 0.0
        self._ended: dict[str, float] = {}
        self._stopping = threading.Event()

    async def run(self) -> None:
        """Find and follow headsets until cancelled."""
        discovery = Discovery()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.to_thread(self._poller.run, self._stopping.wait))
                while True:
                    now = self._clock()
                    visible = discovery.visible()
                    for connection in self._plan(visible, now):
                        tasks.create_task(self._connect(connection))
                    self._forget({info.uid() for info in visible}, now)
                    self._tell()
                    await asyncio.sleep(_ROUND_SECONDS)
        finally:
            self._stopping.set()

    def headsets(self) -> tuple[Headset, ...]:
        """Describe all headsets, by id."""
        now = self._clock()
        return tuple(self._connections[key].describe(now) for key in sorted(self._connections))

    def headset(self, identifier: str) -> Headset | None:
        """Describe one headset."""
        connection = self._connections.get(identifier)
        return connection.describe(self._clock()) if connection else None

    def _plan(self, visible: list[pylsl.StreamInfo], now: float) -> list[Connection]:
        """Match the streams in sight with the connections; give those to be opened."""
        groups: dict[str, dict[str, pylsl.StreamInfo]] = defaultdict(dict)
        for info in visible:
            if info.uid() not in self._ended:
                groups[headset_id(info)][info.uid()] = info
        new = []
        for identifier, streams in groups.items():
            current = self._connections.get(identifier)
            if current and len(streams) > 1 and current.state(now) in (State.STALE, State.LOST):
                # The old source has fallen silent, and its successor is here.
                for uid in current.uids & streams.keys():
                    self._ended[uid] = now + _IGNORE_SUPERSEDED_SECONDS
                    del streams[uid]
            same = current and not current.gone and current.uids == streams.keys()
            # A source that closed the connection and is still in sight is opened anew.
            if not streams or (same and current and not current.link.closed):
                continue
            connection = Connection(list(streams.values()), now)
            if current:
                self._disconnect(current)
                connection.trouble = current.trouble
            self._connections[identifier] = connection
            if len(streams) > 1:
                connection.quarantine = _describe_doubles(identifier, list(streams.values()))
            else:
                new.append(connection)
        return new

    async def _connect(self, connection: Connection) -> None:
        """Open the stream, check it, and start its line."""
        try:
            inlet = await asyncio.to_thread(HeadsetInlet, connection.info)
            if self._connections.get(connection.id) is not connection:
                inlet.close()
                return
            self._start(connection, inlet)
        except HeadsetUnreachableError as error:
            logger.warning("headset %s: %s", connection.id, error)
            connection.trouble = str(error)
            connection.uids = frozenset()  # the next round takes it for new and tries again
        except Exception as error:  # told below: one headset's trouble must not end the others'
            logger.exception("opening headset %s failed", connection.id)
            self.fail(connection, error)

    def _start(self, connection: Connection, inlet: HeadsetInlet) -> None:
        """Hold the stream's metadata against the contract, and run its line."""
        stream = inlet.description
        connection.simulated = stream.simulated
        try:
            layout = admit(stream, self._settings)
        except (LayoutError, StreamRefused) as error:
            inlet.close()
            connection.quarantine = str(error)
            self._tell()
            return
        monitor = Monitor(
            headset=connection.id,
            epoch=secrets.token_hex(8),
            path=SignalPath(
                self._settings,
                layout,
                stream.sfreq,
                normaliser=self._model.contract.training_normaliser,
            ),
            model=self._model,
            clock=pylsl.local_clock,
            utc_offset=lambda: time.time() - pylsl.local_clock(),
            ahead=stream.replay_speed > 1.0,
        )
        connection.line = Line(inlet=inlet, layout=layout, monitor=monitor)
        listener = _Listener(self, connection, connection.line, asyncio.get_running_loop())
        self._poller.add(stream.uid, inlet, listener)

    # What the lines tell, in the event loop's thread.

    def heard(self, connection: Connection, samples: int, prediction: Prediction | None) -> None:
        """Take what a line made of its newest samples."""
        if self._connections.get(connection.id) is not connection or connection.quarantine:
            return  # replaced or quarantined while this was on its way
        connection.link.heard(self._clock())
        self._metrics.samples.inc(samples)
        if prediction is not None:
            self._metrics.observe(prediction)
            self._bus.publish(prediction)

    def lost(self, connection: Connection) -> None:
        """Take note that a headset closed its connection."""
        connection.link.close()
        self._disconnect(connection)
        self._ended |= dict.fromkeys(connection.uids, self._clock() + _IGNORE_CLOSED_SECONDS)
        self._tell()

    def fail(self, connection: Connection, error: Exception) -> None:
        """Quarantine a headset whose line failed, so that the others go on."""
        self.quarantine(
            connection,
            f"an error in the service itself: {type(error).__name__}: {error}; see its log, and "
            "start the headset's stream again to try again",
        )

    def quarantine(self, connection: Connection, why: str) -> None:
        """Follow a headset no longer, and say why."""
        connection.quarantine = why
        self._disconnect(connection)
        self._tell()

    def _disconnect(self, connection: Connection) -> None:
        if connection.line is not None:
            self._poller.remove(connection.line.inlet.description.uid)
            connection.line.inlet.close()

    def _forget(self, visible: set[str], now: float) -> None:
        for uid in [uid for uid, until in self._ended.items() if now > until]:
            del self._ended[uid]
        for identifier, connection in list(self._connections.items()):
            never_followed = connection.quarantine is not None or connection.line is None
            if never_followed and connection.uids.isdisjoint(visible):
                connection.gone = True
            if connection.link.silent_seconds(now) > _FORGET_LOST_SECONDS and (
                connection.state(now) is State.LOST
            ):
                self._disconnect(connection)
                del self._connections[identifier]
                self._told.pop(identifier, None)
                self._bus.forget(identifier)

    def _tell(self) -> None:
        """Tell subscribers of new states at once, and of live headsets' counts now and then."""
        headsets = self.headsets()
        now = self._clock()
        counts_due = now - self._counts_told >= _COUNTS_SECONDS
        if counts_due:
            self._counts_told = now
        for headset in headsets:
            if self._told.get(headset.id) != (headset.state, headset.detail):
                self._told[headset.id] = headset.state, headset.detail
                logger.info("headset %s: %s: %s", headset.id, headset.state, headset.detail)
                self._bus.publish(Status(headset=headset))
            elif counts_due and headset.state is State.LIVE:
                self._bus.publish(Status(headset=headset))
        self._metrics.show(
            states=Counter(headset.state for headset in headsets),
            missing=sum(headset.samples_missing for headset in headsets),
            subscribers=self._bus.subscribers,
        )


@dataclass(frozen=True, slots=True)
class _Listener:
    """Hears the poller, in its thread, for one connection, and tells the event loop."""

    fleet: Fleet
    connection: Connection
    line: Line
    loop: asyncio.AbstractEventLoop

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        try:
            prediction = self.line.monitor.feed(samples, stamps, self.line.inlet.clock_offset)
        except ClockError as error:
            self.loop.call_soon_threadsafe(self.fleet.quarantine, self.connection, str(error))
            return
        except Exception as error:  # told below: one headset's trouble must not end the others'
            logger.exception("the line of headset %s failed", self.connection.id)
            self.loop.call_soon_threadsafe(self.fleet.fail, self.connection, error)
            return
        self.loop.call_soon_threadsafe(self.fleet.heard, self.connection, len(stamps), prediction)

    def lost(self) -> None:
        self.loop.call_soon_threadsafe(self.fleet.lost, self.connection)


def _describe_doubles(identifier: str, streams: list[pylsl.StreamInfo]) -> str:
    names = " and ".join(
        f"{info.name()!r} on {info.hostname()} (uid {info.uid()[:8]})" for info in streams
    )
    return (
        f"found {len(streams)} streams with the headset id {identifier!r}: {names}; expected one. "
        "Which of them is meant cannot be known: stop one, or give them distinct source ids"
    )
