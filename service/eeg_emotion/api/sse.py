"""Server-Sent Events: one headset's messages, for clients without WebSocket.

A prediction's event id is its ``epoch:seq``. A browser sends it as `Last-Event-ID` when it
reconnects, and gets what it missed, from the same kind of outbox as with a WebSocket. There are no
acknowledgements here: only the socket's buffer paces a slow subscriber.
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
from eeg_emotion.api.arrivals import Arrival
from eeg_emotion.api.guard import client_access, grant_of, needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.api.push import Push
from eeg_emotion.api.routes import find_headset
from eeg_emotion.api.wire import narrow
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import GoingAway, Subscribed
from eeg_emotion.publish.outbox import Outbox
from eeg_emotion.publish.session import STALLED_SECONDS, VALIDITY_SECONDS

router = APIRouter(tags=["headsets"], dependencies=needs(Action.READ))

COMMENT_SECONDS = 15.0
"""Silence before a comment is sent: proxies cut connections that are silent for 30 s or 60 s."""

RETRY_MS = 2000
"""Time after which a browser reconnects."""

_END_SECONDS = 1.0  # for a reader to receive what is pending at the end

# nginx, by default, would collect events until they fill a buffer; others, to compress them.
_UNBUFFERED = {"X-Accel-Buffering": "no", "Cache-Control": "no-cache, no-transform"}

EVENT_ID = re.compile(r"([0-9A-Za-z_-]{1,64}):([0-9]{1,18})")
"""A prediction's `epoch:seq`."""

# For the OpenAPI document only: our own refusal is more specific.
_EVENT_ID_FORM = {"pattern": f"^({EVENT_ID.pattern})?$"}


class EventStream(StreamingResponse):
    """A response of events that are already encoded."""

    media_type = "text/event-stream"

    def __init__(self, follower: _Follower) -> None:
        super().__init__(follower.events(), headers=_UNBUFFERED)
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side ends the stream; then release the subscriber."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._follower.release()


@dataclass(frozen=True, slots=True)
class EventStreamPart:
    """The headsets, and how their messages reach subscribers."""

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
    `Last-Event-ID`, exactly the predictions after it come first if it is at most a minute old;
    the event `subscribed` states whether it was.
    """
    find_headset(part.headsets, identifier)
    position = _position(last_event_id)
    if (refusal := part.push.refusal()) is not None:
        return refusal
    arrival: Arrival = request.scope["state"]["arrival"]
    narrow(arrival.transport)
    arrival.subscribe()
    access, grant = client_access(request), grant_of(request)
    access.audit("subscribed", grant, headset=identifier, transport="sse")
    # The follower counts against the cap from here. No await since the check of the cap, so that
    # no other request passes it meanwhile; and nothing may fail after this line, since only the
    # response removes the follower.
    return EventStream(_Follower(part.push, access, grant, identifier, position, arrival.transport))


def _position(event_id: str) -> Position | None:
    if not event_id:
        return None
    found = EVENT_ID.fullmatch(event_id)
    if found is None:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "found a Last-Event-ID that is not an id of this service, expected epoch:seq",
        )
    return Position(found[1], int(found[2]))


class _Follower:
    """One subscriber to one headset."""

    def __init__(
        self,
        push: Push,
        access: ClientAccess,
        grant: Grant,
        headset: str,
        position: Position | None,
        transport: asyncio.Transport,
    ) -> None:
        self._push = push
        self._access = access
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
        """Yield the encoded events until the service or the subscriber ends the stream."""
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
        """Release everything, since the response is over."""
        if self._abort is not None:
            self._abort.cancel()
        push = self._push
        push.bus.detach(self.outbox)
        push.subscribers.remove(self)
        push.metrics.conflated.inc(self.outbox.newly_conflated())
        push.metrics.closed("left" if self._ended is None else self._ended.name.lower())

    def tick(self) -> None:
        """End the stream if the subscriber has stalled or its credentials are no longer valid."""
        self._push.metrics.conflated.inc(self.outbox.newly_conflated())
        if self._ended is not None:
            return
        now, expires = self._push.clock(), self._grant.expires
        if expires is not None and self._push.utc() >= expires:
            self._access.audit("credentials expired", self._grant, headset=self._headset)
            self.end(CloseCode.CREDENTIALS_EXPIRED, "the token has expired")
            return
        if now - self._looked >= VALIDITY_SECONDS:
            self._looked = now
            if not self._access.is_valid(self._grant):
                self._access.audit("credentials revoked", self._grant, headset=self._headset)
                self.end(CloseCode.BAD_CREDENTIALS, "the key is no longer valid")
                return
        if not self.outbox.blocked or self.outbox.progress != self._progress:
            self._progress, self._moved = self.outbox.progress, now
        elif now - self._moved >= STALLED_SECONDS:
            self._ended = CloseCode.SLOW
            self._transport.abort()  # a stalled subscriber would not receive a regular end

    def leave(self, reconnect_after_ms: int) -> None:
        """Announce that the service is stopping, and when to reconnect."""
        # A browser reconnects by itself, but not after a refusal: it has to wait for the restart.
        self._return_ms = reconnect_after_ms
        self._reply(GoingAway(reconnect_after_ms=reconnect_after_ms))

    def end(self, code: CloseCode, reason: str) -> None:
        """End the stream after the pending messages; cut it if they are not received in time."""
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
