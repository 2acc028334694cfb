"""Server-Sent Events: one headset's messages, for those who cannot or need not speak WebSocket.

A prediction's event id is its ``epoch:seq``. A browser gives it back as `Last-Event-ID` when it
connects again, and gets what it missed, from the same outbox as a WebSocket would. There are no
acknowledgements here: only the socket holds a slow subscriber back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eeg_emotion.access.access import ClientAccess
from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.guard import client_access, grant_of, needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.api.push import Push
from eeg_emotion.api.routes import find_headset
from eeg_emotion.api.server import narrow
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import GoingAway, Subscribed
from eeg_emotion.publish.outbox import Outbox
from eeg_emotion.publish.session import STALLED_SECONDS, VALIDITY_SECONDS

router = APIRouter(tags=["headsets"], dependencies=needs(Action.READ))

COMMENT_SECONDS = 15.0
"""Of silence before a comment: proxies cut a connection that is silent for 30 s or 60 s."""

RETRY_MS = 2000
"""After which a browser connects again."""

_END_SECONDS = 1.0  # for a reader to take what waits at its end

EVENT_ID = re.compile(r"([0-9A-Za-z_-]{1,64}):([0-9]{1,18})")
"""A prediction's `epoch:seq`."""

# In the document alone, since our own refusal says more.
_EVENT_ID_FORM = {"pattern": f"^({EVENT_ID.pattern})?$"}


class EventStream(StreamingResponse):
    """Events that were encoded before."""

    media_type = "text/event-stream"

    def __init__(self, follower: _Follower) -> None:
        super().__init__(follower.events())
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side has enough, and let the subscriber go however that ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._follower.release()


@dataclass(frozen=True, slots=True)
class EventStreamPart:
    """Which headsets there are, and how their messages reach who follows one."""

    router: ClassVar[APIRouter] = router

    headsets: Headsets
    push: Push


Given = Annotated[EventStreamPart, given(EventStreamPart)]


@router.get(
    "/v1/headsets/{identifier}/stream",
    status_code=HTTPStatus.OK,  # for the document, which finds no default in EventStream
    response_class=EventStream,
    responses=responses(404, 422, 503),
)
async def stream(
    part: Given,
    request: Request,
    identifier: str,
    last_event_id: Annotated[str, Header(json_schema_extra=_EVENT_ID_FORM)] = "",
) -> Response:
    """Follow one headset by Server-Sent Events.

    Events are named after their message's `type`; a prediction's id is its `epoch:seq`. With
    `Last-Event-ID` exactly the predictions after it come first, where it is not older than a
    minute; the event `subscribed` says which it is.
    """
    find_headset(part.headsets, identifier)
    position = _position(last_event_id)
    if (refusal := part.push.refusal()) is not None:
        return refusal
    transport: asyncio.Transport = request.scope["state"]["transport"]
    narrow(transport)
    entry, grant = client_access(request), grant_of(request)
    entry.audit("subscribed", grant, headset=identifier, transport="sse")
    # Counted in at once: what is awaited first lets others through the same gap. And last:
    # nothing but the response counts it out again.
    return EventStream(_Follower(part.push, entry, grant, identifier, position, transport))


def _position(event_id: str) -> Position | None:
    if not event_id:
        return None
    found = EVENT_ID.fullmatch(event_id)
    if found is None:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "found a Last-Event-ID that is no id of this service, expected epoch:seq",
        )
    return Position(found[1], int(found[2]))


class _Follower:
    """One subscriber to one headset."""

    def __init__(
        self,
        push: Push,
        entry: ClientAccess,
        grant: Grant,
        headset: str,
        position: Position | None,
        transport: asyncio.Transport,
    ) -> None:
        self._push = push
        self._entry = entry
        self._grant = grant
        self._headset = headset
        self._position = position
        self._wake = asyncio.Event()
        self._ended: CloseCode | None = None
        self._progress = -1
        self._moved = 0.0
        self._looked = push.clock()
        self._return_ms = RETRY_MS
        self._transport = transport
        self._abort: asyncio.TimerHandle | None = None
        self.outbox = Outbox(self._wake.set)
        push.bus.attach(self.outbox, lambda headset: headset == self._headset)
        push.subscribers.add(self)

    async def events(self) -> AsyncIterator[bytes]:
        """Return the events as they come, until the service or the subscriber ends it."""
        push, outbox = self._push, self.outbox
        yield format_sse_event(retry=RETRY_MS)
        resume = {} if self._position is None else {self._headset: self._position}
        for name, found in push.bus.subscribe(outbox, [self._headset], resume):
            self._reply(Subscribed(headset=name, recovered=found.recovered, missed=found.missed))
        while self._ended is None or self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), COMMENT_SECONDS)
            self._wake.clear()
            frames = outbox.take()
            push.metrics.delivered.inc(len(frames))
            if frames and (end := frames[-1].window_end) is not None:
                push.metrics.observe_delivery(push.utc() - end)
            # Until the socket has taken these, newer ones replace each other.
            outbox.hold()
            yield b"".join(map(self._event, frames)) or format_sse_event(comment="")
            outbox.release()

    def release(self) -> None:
        """Let go of everything, since the response is over."""
        if self._abort is not None:
            self._abort.cancel()
        push = self._push
        push.bus.detach(self.outbox)
        push.subscribers.remove(self)
        push.metrics.conflated.inc(self.outbox.newly_conflated())
        push.metrics.closed("left" if self._ended is None else self._ended.name.lower())

    def tick(self) -> None:
        """Return up on a subscriber that takes nothing, or whose credentials are over."""
        self._push.metrics.conflated.inc(self.outbox.newly_conflated())
        if self._ended is not None:
            return
        now, expires = self._push.clock(), self._grant.expires
        if expires is not None and self._push.utc() >= expires:
            self._entry.audit("credentials expired", self._grant, headset=self._headset)
            self.end(CloseCode.CREDENTIALS_EXPIRED, "the token has expired")
            return
        if now - self._looked >= VALIDITY_SECONDS:
            self._looked = now
            if not self._entry.is_valid(self._grant):
                self._entry.audit("credentials revoked", self._grant, headset=self._headset)
                self.end(CloseCode.BAD_CREDENTIALS, "the key is no longer valid")
                return
        if not self.outbox.blocked or self.outbox.progress != self._progress:
            self._progress, self._moved = self.outbox.progress, now
        elif now - self._moved >= STALLED_SECONDS:
            self._ended = CloseCode.SLOW
            self._transport.abort()  # to end the response in order, it would have to take it

    def leave(self, reconnect_after_ms: int) -> None:
        """Announce that the service stops, and when to come again."""
        # A browser comes again by itself, but not once it was refused: it is to come after the end.
        self._return_ms = reconnect_after_ms
        self._reply(GoingAway(reconnect_after_ms=reconnect_after_ms))

    def end(self, code: CloseCode, reason: str) -> None:
        """End the events after what waits now, or at once where nothing is taken."""
        if self._ended is not None:
            return
        self._ended = code
        self._wake.set()
        self._abort = asyncio.get_running_loop().call_later(_END_SECONDS, self._transport.abort)

    def fail(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def _event(self, frame: Frame) -> bytes:
        event_id = None if frame.seq is None else f"{frame.epoch}:{frame.seq}"
        retry = self._return_ms if frame.name == "going_away" else None
        return format_sse_event(
            data_str=frame.data.decode(), event=frame.name, id=event_id, retry=retry
        )

    def _reply(self, message: Subscribed | GoingAway) -> None:
        self.outbox.reply(Frame("reply", self._headset, message))
