"""All headsets: discovered, checked against the model, followed, lost and found again.

Each connection gets a new inlet, a new check of its metadata and a new epoch. A stream that does
not fit the model is quarantined with the reason and the remedy; nothing is ever guessed.
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
from eeg_emotion.fleet.connection import ActiveStream, HeadsetConnection, changes_between
from eeg_emotion.fleet.markers import Markers
from eeg_emotion.fleet.scoring import PollResult, ScoringRound
from eeg_emotion.fleet.status import RaisedAlarms, StatusPublisher
from eeg_emotion.inference.model import Model
from eeg_emotion.logs import get_logger
from eeg_emotion.lsl.discovery import Discovery
from eeg_emotion.lsl.doubles import describe_doubles
from eeg_emotion.lsl.inlet import (
    HeadsetInlet,
    HeadsetUnreachableError,
    StreamDescription,
    headset_id,
)
from eeg_emotion.lsl.poller import Poller
from eeg_emotion.lsl.stream_types import is_of_type
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
from eeg_emotion.stream.link import WARNED_SECONDS
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.scoring import PredictionSequence
from eeg_emotion.stream.selection import HeadsetFilter

logger = get_logger(__name__)

_ROUND_SECONDS = 0.25  # finds a returning headset, and reports a stale one, well within 1 s
_FORGET_LOST_SECONDS = 600.0  # a lost headset stays listed this long, so that people notice
# Discovery reports a dead stream for up to 3 s more; one that is still there then is reopened.
_IGNORE_CLOSED_SECONDS = 4.0
_FOLLOWING_SECONDS = 5.0  # if either thread completes no round for this long, nothing is followed
_IGNORE_SUPERSEDED_SECONDS = 60.0  # keeps a frozen process that wakes up again out of the way

REVIEW_SECONDS = 300.0
"""After this long, a stream that was quarantined for its samples or stamps is opened once more."""

# Opening one takes 0.65 s, nearly all of it waiting for the first clock offset.
_OPENED_AT_ONCE = 32


class Fleet:
    """Runs a pipeline for each headset that can serve the model.

    Parameters
    ----------
    model
        The model.
    settings
        The model's signal path, with the hop that this service uses.
    headset_filter
        Which headsets are followed, and the limits on their signal.
    bus
        Receives predictions and changes of state.
    metrics
        The counters.
    baselines
        The rest baseline of each headset.
    alarms
        The raised alarms of each headset.
    clock
        Seconds; used to detect silence.
    """

    def __init__(
        self,
        model: Model,
        settings: PathSettings,
        headset_filter: HeadsetFilter,
        bus: Bus,
        metrics: Metrics,
        baselines: Baselines,
        alarms: RaisedAlarms,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self._clock = clock
        self._model = model
        self._settings = settings
        self._headset_filter = headset_filter
        self._bus = bus
        self._metrics = metrics
        self._baselines = baselines
        self._status = StatusPublisher(bus, metrics, baselines, alarms)
        self._connections: dict[str, HeadsetConnection] = {}
        self._known: dict[str, StreamDescription] = {}
        self._ended: dict[str, float] = {}
        self._looked = self._polled = self._polled_before = -math.inf
        self._reading = False  # whether the poller has completed two rounds
        self._stopping = threading.Event()

    async def run(self) -> None:
        """Discover and follow headsets until cancelled."""
        types = self._headset_filter.types
        discovery = Discovery(types)
        loop = asyncio.get_running_loop()
        self._scoring = ScoringRound(self._model, loop, self._on_round)
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
                        if is_of_type(info.type(), types)
                        and self._headset_filter.follows(headset_id(info), info.name())
                    ]
                    for connection in self._plan(visible, now):
                        tasks.create_task(self._connect(connection))
                    self._forget({info.uid() for info in visible}, now)
                    # Before any stream is opened: its first sample may already have a marker.
                    self._markers.follow(self._connections, sighted)
                    self._status.warn(self._connections, self._now())
                    self._publish_status()
                    await asyncio.sleep(_ROUND_SECONDS)
        finally:
            self._stopping.set()
            self._openers.shutdown(wait=False, cancel_futures=True)

    @property
    def source(self) -> Literal["lsl", "broker"]:
        """Where headsets are discovered."""
        return "lsl"

    @property
    def following(self) -> bool:
        """Return whether streams are being discovered and read."""
        return self._clock() - min(self._looked, self._polled) < _FOLLOWING_SECONDS

    def headsets(self) -> tuple[Headset, ...]:
        """Return all headsets, sorted by id."""
        now = self._now()
        return tuple(
            self._status.describe(self._connections[key], now) for key in sorted(self._connections)
        )

    def headset(self, identifier: str) -> Headset | None:
        """Return one headset; None if it is not known."""
        connection = self._connections.get(identifier)
        return self._status.describe(connection, self._now()) if connection else None

    def quality(self, identifier: str) -> Quality | None:
        """Return the channel quality of a headset's newest window; None before the first."""
        connection = self._connections.get(identifier)
        active = connection.active if connection else None
        assessed = active.pipeline.newest if active else None
        if active is None or assessed is None:
            return None
        found, window = assessed.window.quality, assessed.window
        path = self._settings
        powers = region_power(
            np.concatenate(window.signal, axis=1), path.channels, window.interpolated, path.sfreq
        )
        return Quality(
            headset=identifier,
            epoch=active.sequence.epoch,
            window=WindowSpan(start=assessed.start, end=assessed.end),
            overall=round(found.overall, 4),
            faults=found.faults,
            interpolated=assessed.window.interpolated,
            channels=tuple(
                ChannelQuality(label=label, score=round(float(score), 4), trouble=trouble)
                for label, score, trouble in zip(
                    active.pipeline.layout.measured, found.scores, found.troubles, strict=True
                )
            ),
            regions=tuple(RegionPower(region=region, **bands) for region, bands in powers.items()),
        )

    def active_stream(self, identifier: str) -> ActiveStream | None:
        """Return the stream of a headset's current connection, if one is being followed."""
        connection = self._connections.get(identifier)
        if connection is None or connection.quarantine or connection.link.closed:
            return None
        return connection.active

    def _plan(self, visible: list[pylsl.StreamInfo], now: float) -> list[HeadsetConnection]:
        """Match the visible streams with the connections; return the connections to open."""
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
            # A source that closed the connection and is still visible is opened again.
            due = current is not None and now >= current.review_at
            if not streams or (same and current and not current.link.closed and not due):
                continue
            connection = HeadsetConnection(list(streams.values()), now)
            if current:
                self._disconnect(current)
                connection.trouble = current.trouble
            self._connections[identifier] = connection
            if len(streams) > 1:
                connection.quarantine = describe_doubles(identifier, list(streams.values()))
            else:
                new.append(connection)
        return new

    async def _connect(self, connection: HeadsetConnection) -> None:
        """Open the stream, check it, and start its pipeline."""
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
            # Retried, but not immediately: a source that is gone stays announced for a while.
            self._ended |= dict.fromkeys(connection.uids, self._clock() + _IGNORE_CLOSED_SECONDS)
            connection.uids = frozenset()
        except Exception as error:  # reported below: one headset must not end the others
            logger.exception("headset cannot be opened", headset=connection.id)
            self.fail(connection, error)

    def _start(self, connection: HeadsetConnection, inlet: HeadsetInlet) -> None:
        """Check the stream's metadata against the contract, and run its pipeline."""
        stream = connection.stream = inlet.description
        if (before := self._known.get(connection.id)) is not None:
            connection.changes = changes_between(before, stream)
        self._known[connection.id] = stream
        try:
            admission = Admission.of(stream, self._settings, self._headset_filter.cap)
        except (LayoutError, StreamRefused) as error:
            inlet.close()
            connection.quarantine = str(error)
            self._publish_status()
            return
        pipeline = StreamPipeline(
            admission=admission,
            settings=self._settings,
            normaliser=self._baselines.normaliser_for(connection.id, self._model),
            limits=self._headset_filter.limits,
            clock=pylsl.local_clock,
            utc_offset=lambda: time.time() - pylsl.local_clock(),
            ahead=stream.replay_speed > 1.0,
        )
        sequence = PredictionSequence(headset=connection.id, epoch=secrets.token_hex(8))
        connection.active = ActiveStream(inlet=inlet, pipeline=pipeline, sequence=sequence)
        self._poller.add(stream.uid, inlet, self._scoring.listen(connection.id, connection.active))

    def _round_over(self) -> None:
        """Finish a round of the poller, in its thread."""
        self._polled_before, self._polled = self._polled, self._clock()
        self._reading = math.isfinite(self._polled_before)
        self._scoring.round_over()
        self._markers.read()

    def _now(self) -> float:
        """Return the time up to which the headsets were read: silence beyond it is this process's.

        The results of the round before the last one have surely been handled.
        """
        now = self._clock()
        return min(now, self._polled_before + WARNED_SECONDS) if self._reading else now

    # Results of the poller's rounds, in the event loop's thread.

    def _on_round(self, results: list[PollResult]) -> None:
        """Handle the results of one round."""
        for result in results:
            connection = self._connections.get(result.identifier)
            if (
                connection is None
                or connection.active is not result.active
                or connection.quarantine
            ):
                continue  # replaced or quarantined while this was on its way
            try:
                self._on_result(connection, result)
            except Exception as error:  # one headset must not cost the others their round
                logger.exception("headset failed", headset=connection.id)
                self.fail(connection, error)

    def _on_result(self, connection: HeadsetConnection, result: PollResult) -> None:
        if result.lost:
            self.lost(connection)
        elif result.refused is not None:
            self.quarantine(connection, str(result.refused))
            # What stamps show may be wrong, as on a machine that came late without noticing.
            connection.review_at = self._clock() + REVIEW_SECONDS
        elif result.error is not None:
            self.fail(connection, result.error)
        else:
            reasons = None if result.prediction is None else result.prediction.reasons
            connection.on_samples(self._clock(), reasons)
            self._metrics.on_samples(
                samples=result.samples, missing=result.missing, superseded=result.superseded
            )
            if result.prediction is not None:
                self._metrics.observe(result.prediction)
                self._bus.publish(result.prediction)
                self._publish_detail(result.prediction)
            self._baselines.on_samples(connection.id, result.prediction)

    def _publish_detail(self, prediction: Prediction) -> None:
        """Publish the channel quality of a prediction's window, if anyone subscribes to it."""
        if not self._bus.is_detail_wanted(prediction.headset):
            return
        found = self.quality(prediction.headset)
        # The poller's thread may have assessed the next window by now; that one gets its own.
        if found is not None and found.window.end == prediction.window.end:
            self._bus.publish(Detail(**dict(found), seq=prediction.seq))

    def lost(self, connection: HeadsetConnection) -> None:
        """Handle a connection that the headset's source closed."""
        connection.link.close()
        self._disconnect(connection)
        self._ended |= dict.fromkeys(connection.uids, self._clock() + _IGNORE_CLOSED_SECONDS)
        self._publish_status()

    def fail(self, connection: HeadsetConnection, error: Exception) -> None:
        """Quarantine a headset whose pipeline failed, so that the others continue."""
        self.quarantine(
            connection,
            f"internal error of the service: {type(error).__name__}: {error}; see its log, and "
            "restart the headset's stream to try again",
        )

    def quarantine(self, connection: HeadsetConnection, why: str) -> None:
        """Stop following a headset, and report why."""
        connection.quarantine = why
        self._baselines.lost(connection.id)
        self._disconnect(connection)
        self._publish_status()

    def _disconnect(self, connection: HeadsetConnection) -> None:
        if connection.active is not None:
            self._poller.remove(connection.active.inlet.description.uid)
            connection.active.inlet.close()

    def _forget(self, visible: set[str], now: float) -> None:
        for uid in [uid for uid, until in self._ended.items() if now > until]:
            del self._ended[uid]
        for identifier, connection in list(self._connections.items()):
            never_followed = connection.quarantine is not None or connection.active is None
            if never_followed and connection.uids.isdisjoint(visible):
                connection.gone = True
            if connection.link.silent_seconds(now) > _FORGET_LOST_SECONDS and (
                connection.state(now) is State.LOST
            ):
                self._disconnect(connection)
                del self._connections[identifier]
                self._known.pop(identifier, None)
                self._status.forget(identifier)

    def _publish_status(self) -> None:
        self._status.publish(self._connections, self._now())
