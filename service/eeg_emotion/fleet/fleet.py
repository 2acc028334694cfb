"""All headsets: found, checked against the model, followed, lost and found again.

A connection gets a fresh inlet, a fresh check of its metadata and a fresh epoch each time. What
does not fit is quarantined with the reason and the remedy, and never guessed.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import pylsl

from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.codes import State
from eeg_emotion.eeg.bands import region_power
from eeg_emotion.eeg.layout import LayoutError
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.fleet.connection import Connection, Line, changes_between
from eeg_emotion.fleet.markers import Markers
from eeg_emotion.fleet.scoring import PollResult, ScoringRound
from eeg_emotion.fleet.status import RaisedAlarms, StatusPublisher
from eeg_emotion.inference.model import Model
from eeg_emotion.logs import get_logger
from eeg_emotion.lsl.discovery import EEG_TYPE, Discovery
from eeg_emotion.lsl.inlet import (
    HeadsetInlet,
    HeadsetUnreachableError,
    StreamDescription,
    headset_id,
)
from eeg_emotion.lsl.poller import Poller
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import (
    ChannelQuality,
    Detail,
    Headset,
    Prediction,
    Quality,
    RegionPower,
    WindowSpan,
)
from eeg_emotion.stream.admission import Admission, StreamRefused
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.scoring import PredictionSequence
from eeg_emotion.stream.selection import HeadsetFilter

logger = get_logger(__name__)

_ROUND_SECONDS = 0.25  # finds a returning headset, and tells a stale one, well within 1 s
_FORGET_LOST_SECONDS = 600.0  # a lost headset stays listed this long, so that it is missed
# Discovery reports a dead stream for up to 3 s more; one that is still there then is opened anew.
_IGNORE_CLOSED_SECONDS = 4.0
_FOLLOWING_SECONDS = 5.0  # without a round of both threads for so long, headsets are not followed
_IGNORE_SUPERSEDED_SECONDS = 60.0  # a frozen process that wakes up again stays out of the way


# Opening one takes 0.65 s, nearly all of it waiting for the first clock offset.
_OPENED_AT_ONCE = 32


class Fleet:
    """Runs a line for each headset that can serve the model.

    Parameters
    ----------
    model
        The model.
    settings
        Its signal path, with the hop that this service runs at.
    reception
        Which headsets are followed, and how their signal is judged.
    bus
        Where predictions and changes of state go.
    metrics
        What is counted.
    baselines
        Whose rest baseline each headset uses.
    alarms
        What is raised of each headset.
    clock
        Judges silence; seconds.
    """

    def __init__(
        self,
        model: Model,
        settings: PathSettings,
        reception: HeadsetFilter,
        bus: Bus,
        metrics: Metrics,
        baselines: Baselines,
        alarms: RaisedAlarms,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self._clock = clock
        self._model = model
        self._settings = settings
        self._reception = reception
        self._bus = bus
        self._metrics = metrics
        self._baselines = baselines
        self._telling = StatusPublisher(bus, metrics, baselines, alarms)
        self._connections: dict[str, Connection] = {}
        self._known: dict[str, StreamDescription] = {}
        self._ended: dict[str, float] = {}
        self._looked = self._polled = -math.inf
        self._stopping = threading.Event()

    async def run(self) -> None:
        """Find and follow headsets until cancelled."""
        discovery = Discovery()
        loop = asyncio.get_running_loop()
        self._reading = ScoringRound(self._model, loop, self._take)
        self._markers = Markers(self._bus, loop)
        self._poller = Poller(self._round_over)
        self._openers = ThreadPoolExecutor(_OPENED_AT_ONCE, thread_name_prefix="open")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.to_thread(self._poller.run, self._stopping.wait))
                while True:
                    self._looked = now = self._clock()
                    sighted = discovery.visible()
                    visible = [
                        info
                        for info in sighted
                        if info.type() == EEG_TYPE
                        and self._reception.follows(headset_id(info), info.name())
                    ]
                    for connection in self._plan(visible, now):
                        tasks.create_task(self._connect(connection))
                    self._forget({info.uid() for info in visible}, now)
                    # Before any of the streams is opened: its first sample may have a marker.
                    self._markers.follow(self._connections, sighted)
                    self._telling.warn(self._connections, now)
                    self._tell()
                    await asyncio.sleep(_ROUND_SECONDS)
        finally:
            self._stopping.set()
            self._openers.shutdown(wait=False, cancel_futures=True)

    @property
    def source(self) -> Literal["lsl", "broker"]:
        """Where headsets are heard of."""
        return "lsl"

    @property
    def following(self) -> bool:
        """Return whether streams are looked for and read."""
        return self._clock() - min(self._looked, self._polled) < _FOLLOWING_SECONDS

    def headsets(self) -> tuple[Headset, ...]:
        """Describe all headsets, by id."""
        now = self._clock()
        return tuple(
            self._telling.describe(self._connections[key], now) for key in sorted(self._connections)
        )

    def headset(self, identifier: str) -> Headset | None:
        """Describe one headset."""
        connection = self._connections.get(identifier)
        return self._telling.describe(connection, self._clock()) if connection else None

    def quality(self, identifier: str) -> Quality | None:
        """Return how each channel of a headset's newest window was judged."""
        connection = self._connections.get(identifier)
        line = connection.line if connection else None
        judged = line.monitor.newest if line else None
        if line is None or judged is None:
            return None
        found, window = judged.window.quality, judged.window
        path = self._settings
        powers = region_power(
            np.concatenate(window.signal, axis=1), path.channels, window.interpolated, path.sfreq
        )
        return Quality(
            headset=identifier,
            epoch=line.numbered.epoch,
            window=WindowSpan(start=judged.start, end=judged.end),
            overall=round(found.overall, 4),
            faults=found.faults,
            interpolated=judged.window.interpolated,
            channels=tuple(
                ChannelQuality(label=label, score=round(float(score), 4), trouble=trouble)
                for label, score, trouble in zip(
                    line.monitor.layout.measured, found.scores, found.troubles, strict=True
                )
            ),
            regions=tuple(RegionPower(region=region, **bands) for region, bands in powers.items()),
        )

    def line(self, identifier: str) -> Line | None:
        """Return the line of a headset's present connection, if one is run."""
        connection = self._connections.get(identifier)
        if connection is None or connection.quarantine or connection.link.closed:
            return None
        return connection.line

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
        loop = asyncio.get_running_loop()
        try:
            inlet = await loop.run_in_executor(self._openers, HeadsetInlet, connection.info)
            if self._connections.get(connection.id) is not connection:
                inlet.close()
                return
            self._start(connection, inlet)
        except HeadsetUnreachableError as error:
            logger.warning("headset unreachable", headset=connection.id, why=str(error))
            connection.trouble = str(error)
            # Tried again, but not at once: a source that is gone is announced for a while.
            self._ended |= dict.fromkeys(connection.uids, self._clock() + _IGNORE_CLOSED_SECONDS)
            connection.uids = frozenset()
        except Exception as error:  # told below: one headset's trouble must not end the others'
            logger.exception("headset cannot be opened", headset=connection.id)
            self.fail(connection, error)

    def _start(self, connection: Connection, inlet: HeadsetInlet) -> None:
        """Hold the stream's metadata against the contract, and run its line."""
        stream = connection.stream = inlet.description
        if (before := self._known.get(connection.id)) is not None:
            connection.changes = changes_between(before, stream)
        self._known[connection.id] = stream
        try:
            admission = Admission.of(stream, self._settings, self._reception.cap)
        except (LayoutError, StreamRefused) as error:
            inlet.close()
            connection.quarantine = str(error)
            self._tell()
            return
        monitor = StreamPipeline(
            admission=admission,
            settings=self._settings,
            normaliser=self._baselines.normaliser_for(connection.id, self._model),
            limits=self._reception.limits,
            clock=pylsl.local_clock,
            utc_offset=lambda: time.time() - pylsl.local_clock(),
            ahead=stream.replay_speed > 1.0,
        )
        numbered = PredictionSequence(headset=connection.id, epoch=secrets.token_hex(8))
        connection.line = Line(inlet=inlet, monitor=monitor, numbered=numbered)
        self._poller.add(stream.uid, inlet, self._reading.listen(connection.id, connection.line))

    def _round_over(self) -> None:
        """End a round of the poller, in its thread."""
        self._polled = self._clock()
        self._reading.round_over()
        self._markers.read()

    # What the lines tell, in the event loop's thread.

    def _take(self, heard: list[PollResult]) -> None:
        """Take what the lines made of a round's samples."""
        for item in heard:
            connection = self._connections.get(item.identifier)
            if connection is None or connection.line is not item.line or connection.quarantine:
                continue  # replaced or quarantined while this was on its way
            try:
                self._hear(connection, item)
            except Exception as error:  # one headset's trouble must not cost the others' round
                logger.exception("headset failed", headset=connection.id)
                self.fail(connection, error)

    def _hear(self, connection: Connection, item: PollResult) -> None:
        if item.lost:
            self.lost(connection)
        elif item.refused is not None:
            self.quarantine(connection, str(item.refused))
        elif item.error is not None:
            self.fail(connection, item.error)
        else:
            connection.link.heard(self._clock())
            self._metrics.heard(
                samples=item.samples, missing=item.missing, superseded=item.superseded
            )
            if item.prediction is not None:
                self._metrics.observe(item.prediction)
                self._bus.publish(item.prediction)
                self._tell_detail(item.prediction)
            self._baselines.heard(connection.id, item.prediction)

    def _tell_detail(self, prediction: Prediction) -> None:
        """Return how the channels of a prediction's window were judged, where someone asks."""
        if not self._bus.is_detail_wanted(prediction.headset):
            return
        found = self.quality(prediction.headset)
        # The reading thread may have judged the next window by now, which then comes with its own.
        if found is not None and found.window.end == prediction.window.end:
            self._bus.publish(Detail(**dict(found), seq=prediction.seq))

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
        self._baselines.lost(connection.id)
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
                self._known.pop(identifier, None)
                self._telling.forget(identifier)

    def _tell(self) -> None:
        self._telling.tell(self._connections, self._clock())


def _describe_doubles(identifier: str, streams: list[pylsl.StreamInfo]) -> str:
    names = " and ".join(
        f"{info.name()!r} on {info.hostname()} (uid {info.uid()[:8]})" for info in streams
    )
    return (
        f"found {len(streams)} streams with the headset id {identifier!r}: {names}; expected one. "
        "Which of them is meant cannot be known: stop one, or give them distinct source ids"
    )
