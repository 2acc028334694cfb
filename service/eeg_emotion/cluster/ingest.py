"""The bus of an ingest, which reads headsets: the memory bus, published to a broker as well.

Without the broker it is just the memory bus, so local subscribers do not notice when it is gone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nats.aio.msg import Msg
from pydantic import ValidationError

from eeg_emotion.cluster import subjects
from eeg_emotion.cluster.connection import BrokerConnection
from eeg_emotion.cluster.packets import (
    QUESTIONS,
    Announcement,
    Call,
    HistoryWanted,
    Interest,
    NoticesWanted,
    Reply,
    StatesWanted,
)
from eeg_emotion.logs import get_logger
from eeg_emotion.metrics.broker import Traffic
from eeg_emotion.publish.bus import Bus, Published
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Status
from eeg_emotion.publish.requests import EVERY_HEADSET

logger = get_logger(__name__)

ANNOUNCE_SECONDS = 1.5
INTEREST_SECONDS = 6.0
"""How long a gateway's interest in a headset's details lasts after it was sent."""

_MOST_WAITING = 20_000  # some 10 MB, for a slow broker
_MOST_NOTICES = 1000  # of all headsets together
_NOTICES = frozenset({"alarm", "marker", "baseline"})
_ANSWER_BYTES = 500_000  # half of a broker's default limit for one message


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of an ingest.

    Attributes
    ----------
    site, ingest
        Its place, as in subjects.
    run
        A random name, new at each start.
    model_sha256, hop_seconds
        The model and hop of its predictions.
    """

    site: str
    ingest: str
    run: str
    model_sha256: str
    hop_seconds: float


class IngestBus(Bus):
    """Passes messages to local outboxes, and to a broker while it is connected.

    Parameters
    ----------
    identity
        Who this ingest is.
    connect
        Creates the connection, given a function to call after each connect.
    clock, utc
        As for `Bus`.
    """

    def __init__(
        self,
        identity: Identity,
        connect: Callable[[Callable[[], None]], BrokerConnection],
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock, utc)
        self._identity = identity
        self._clock = clock
        self._wake = asyncio.Event()
        self._waiting: deque[tuple[str, bytes, dict[str, str] | None]] = deque()
        self._notices: deque[tuple[int, bytes]] = deque(maxlen=_MOST_NOTICES)
        self._noticed = 0
        self._announced: set[str] = set()
        self._interest: dict[str, float] = {}
        self._answer: Callable[[Call], Awaitable[Reply]] | None = None
        self._connection = connect(self._connected)
        self._connection.subscribe(subjects.ask(identity.site, identity.ingest), self._on_question)
        self._connection.subscribe(subjects.interest(identity.site), self._on_interest)
        self._sent = self._dropped = 0

    def traffic(self) -> Traffic:
        """Return the counts of messages."""
        return Traffic(self._connection.is_connected, sent=self._sent, dropped=self._dropped)

    async def run(self) -> None:
        """Exchange messages with the broker until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._connection.run())
            self._tasks.create_task(self._send())
            self._tasks.create_task(self._keep_announcing())

    def answer_calls(self, answer: Callable[[Call], Awaitable[Reply]]) -> None:
        """Set the function that answers the calls of gateways; call this before `run`."""
        self._answer = answer

    def publish(self, message: Published) -> Frame:
        """Pass the message to every follower of its headset, here and beyond the broker."""
        frame = super().publish(message)
        if isinstance(message, Status) and frame.headset not in self._announced:
            self._announce()  # first: a gateway accepts messages of announced headsets only
        subject = subjects.message(self._identity.site, frame.headset, frame.kind)
        headers = None
        if frame.kind in _NOTICES:
            # Numbered, so that gateways notice what they missed and request it; a prediction has
            # its own number, and of states only the newest counts.
            self._noticed += 1
            self._notices.append((self._noticed, frame.data))
            headers = subjects.numbered(Position(self._identity.run, self._noticed))
        if self._connection.is_connected:
            self._put(subject, frame.data, headers)
        return frame

    def forget(self, headset: str) -> None:
        """Forget a headset that is no longer listed."""
        super().forget(headset)
        self._announce()

    def is_detail_wanted(self, headset: str) -> bool:
        """Return whether anyone subscribes to a headset's `detail` messages, here or beyond."""
        until = max(self._interest.get(name, 0.0) for name in (headset, EVERY_HEADSET))
        return self._clock() < until or super().is_detail_wanted(headset)

    def _put(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        self._waiting.append((subject, data, headers))
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._wake.set()

    def _announce(self) -> None:
        if not self._connection.is_connected:
            return
        identity = self._identity
        newest = {headset: self.last_prediction(headset) for headset in self.states()}
        announcement = Announcement(
            site=identity.site,
            ingest=identity.ingest,
            run=identity.run,
            model_sha256=identity.model_sha256,
            hop_seconds=identity.hop_seconds,
            headsets={
                headset: None if last is None else (last.epoch, last.seq)
                for headset, last in newest.items()
            },
            notices=self._noticed,
        )
        self._announced = set(newest)
        self._put(subjects.announce(identity.site), announcement.encode())

    def _connected(self) -> None:
        """Publish the current state of everything, for gateways that have missed changes."""
        self._announce()
        for headset, frame in self.states().items():
            self._put(subjects.message(self._identity.site, headset, frame.kind), frame.data)

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._connection.publish(*self._waiting.popleft())
                self._sent += 1

    async def _keep_announcing(self) -> None:
        while True:
            self._announce()
            await asyncio.sleep(ANNOUNCE_SECONDS)

    async def _on_interest(self, message: Msg) -> None:
        until = self._clock() + INTEREST_SECONDS
        try:
            interest = Interest.model_validate_json(message.data)
        except ValidationError as error:
            logger.warning("broker message not understood", subject=message.subject, why=str(error))
            return
        self._interest = {
            name: end for name, end in self._interest.items() if end > self._clock()
        } | dict.fromkeys(interest.details, until)

    async def _on_question(self, message: Msg) -> None:
        try:
            question = QUESTIONS.validate_json(message.data)
        except ValidationError as error:
            logger.warning("broker message not understood", subject=message.subject, why=str(error))
            return
        match question:
            case HistoryWanted():
                await message.respond(self._history(question))
            case StatesWanted():
                states = b",".join(frame.data for frame in self.states().values())
                await message.respond(b'{"statuses":[%b]}' % states)
            case NoticesWanted(after=after):
                await message.respond(self._noticed_after(after))
            case Call() if self._answer is not None:
                # In a task, so that other questions do not wait for the event store.
                self._tasks.create_task(self._reply(message, self._answer(question)))

    async def _reply(self, message: Msg, answering: Awaitable[Reply]) -> None:
        reply = await answering
        if self._connection.is_connected:
            await message.respond(reply.encode())

    def _history(self, question: HistoryWanted) -> bytes:
        found = self.history.since(question.headset, question.position)
        given: list[tuple[float, Frame]] = []
        size = 0
        for age, frame in found or ():
            size += len(frame.data) + 32
            if size > _ANSWER_BYTES:
                break
            given.append((age, frame))
        return b'{"found":%b,"more":%b,"ages":[%b],"predictions":[%b]}' % (
            _json(found is not None),
            _json(len(given) < len(found or ())),
            b",".join(f"{age:.3f}".encode() for age, _ in given),
            b",".join(frame.data for _, frame in given),
        )

    def _noticed_after(self, number: int) -> bytes:
        given: list[bytes] = []
        size = 0
        for at, data in self._notices:
            if at > number:
                given.append(b"[%d,%b]" % (at, data))
                size += len(given[-1])
                if size > _ANSWER_BYTES:
                    break
        return b'{"notices":[%b]}' % b",".join(given)


def _json(truth: bool) -> bytes:
    return b"true" if truth else b"false"
