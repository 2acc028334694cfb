"""The bus of a gateway, which serves headsets read elsewhere: the memory bus, fed by a broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import nats
from nats.aio.msg import Msg
from pydantic import ValidationError

from eeg_emotion.cluster import subjects
from eeg_emotion.cluster.connection import BrokerConnection
from eeg_emotion.cluster.ingest import INTEREST_SECONDS
from eeg_emotion.cluster.mirror import Mirror
from eeg_emotion.cluster.packets import (
    PUBLISHED,
    Announcement,
    Answer,
    Call,
    HistoryFound,
    HistoryWanted,
    IngestUnreachable,
    Interest,
    NoticesFound,
    NoticesWanted,
    Place,
    Question,
    Reply,
    StatesFound,
)
from eeg_emotion.logs import get_logger
from eeg_emotion.metrics.broker import Traffic
from eeg_emotion.publish.bus import Bus

logger = get_logger(__name__)

_TICK_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_CALL_SECONDS = 5.0  # the event store's timeout is shorter
_ATTEMPTS = 3
_ASKED_AT_ONCE = 16  # a starting gateway requests ten minutes of each headset


class GatewayBus(Bus):
    """Passes what the ingests of some sites publish on to local outboxes.

    Parameters
    ----------
    sites
        Names of the sites; ``*`` for all.
    model_sha256, hop_seconds
        Of this gateway's model.
    connect
        Creates the connection, given a function to call after each connect.
    clock, utc
        As for `Bus`.

    Attributes
    ----------
    mirror
        The state of the headsets.
    """

    def __init__(
        self,
        sites: Sequence[str],
        *,
        model_sha256: str,
        hop_seconds: float,
        connect: Callable[[Callable[[], None]], BrokerConnection],
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock, utc)
        self._questions: asyncio.Queue[tuple[Place, Question]] = asyncio.Queue()
        self.mirror = Mirror(
            self,
            model_sha256=model_sha256,
            hop_seconds=hop_seconds,
            ask=lambda place, question: self._questions.put_nowait((place, question)),
            clock=clock,
        )
        self._connection = connect(lambda: None)
        for site in sites:
            for subject in subjects.everything(site):
                self._connection.subscribe(subject, self._on_message)
        self._received = 0

    def traffic(self) -> Traffic:
        """Return the counts of messages."""
        mirror = self.mirror
        return Traffic(
            self._connection.is_connected,
            received=self._received,
            refetched=mirror.refetched,
            holes=mirror.holes,
            ingests=len(mirror.ingests()),
        )

    async def run(self) -> None:
        """Receive from the broker until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._connection.run())
            tasks.create_task(self._tick())
            tasks.create_task(self._show_interest())
            for _ in range(_ASKED_AT_ONCE):
                tasks.create_task(self._ask())

    async def call(self, place: Place, call: Call) -> Reply:
        """Forward a call to an ingest, and return its reply.

        Raises
        ------
        IngestUnreachable
            If it does not answer.
        """
        try:
            answer = await self._connection.request(
                subjects.ask(*place), call.encode(), _CALL_SECONDS
            )
            return Reply.model_validate_json(answer)
        except (TimeoutError, nats.errors.Error, ValidationError) as error:
            why = str(error) or type(error).__name__
            raise IngestUnreachable(
                f"found no answer from the ingest {place[1]!r} of the site {place[0]!r} ({why}), "
                "expected one; it or the broker is away: try again"
            ) from error

    async def _on_message(self, message: Msg) -> None:
        self._received += 1
        try:
            if subjects.is_message(message.subject):
                published = PUBLISHED.validate_json(message.data)
                self.mirror.on_message(published, subjects.number(message.headers))
            else:
                self.mirror.on_announcement(Announcement.model_validate_json(message.data))
        except ValueError as error:  # pydantic's ValidationError among them
            # From another release, say. Predictions that it lacks are noticed by their numbers.
            logger.warning("broker message not understood", subject=message.subject, why=str(error))

    async def _tick(self) -> None:
        while True:
            self.mirror.tick(self._connection.is_connected)
            await asyncio.sleep(_TICK_SECONDS)

    async def _show_interest(self) -> None:
        while True:
            details = tuple(sorted(self.details_wanted()))
            if details and self._connection.is_connected:
                data = Interest(details=details).encode()
                for site in {site for site, _ in self.mirror.ingests()}:
                    await self._connection.publish(subjects.interest(site), data, None)
            await asyncio.sleep(INTEREST_SECONDS / 3)

    async def _ask(self) -> None:
        while True:
            place, question = await self._questions.get()
            self.mirror.on_answer(question, await self._answer(place, question))

    async def _answer(self, place: Place, question: Question) -> Answer | None:
        subject, data = subjects.ask(*place), question.encode()
        kind: type[Answer]
        match question:
            case HistoryWanted():
                kind = HistoryFound
            case NoticesWanted():
                kind = NoticesFound
            case _:
                kind = StatesFound
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._connection.request(subject, data, _ANSWER_SECONDS)
                return kind.model_validate_json(answer)
            except (TimeoutError, nats.errors.Error) as error:
                why = str(error) or type(error).__name__
            except ValidationError as error:
                why = str(error)
                break
            await asyncio.sleep(_TICK_SECONDS * (attempt + 1) / 2)
        logger.warning("ingest does not answer", site=place[0], ingest=place[1], why=why)
        return None
