"""REST: a headset's recent predictions and events, from memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.api.routes import find_headset
from eeg_emotion.api.sse import EVENT_ID
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.history import KEPT_SECONDS
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Event, Prediction

router = APIRouter(tags=["headsets"], dependencies=needs(Action.READ))

MOST = 1000
"""Items on a page; about 0.6 MB of predictions."""

_CURSOR_FORM = {
    "pattern": f"^{EVENT_ID.pattern}$"
}  # in the document only; our own refusal is more specific

Limit = Annotated[int, Query(ge=1, le=MOST, description="The largest number of items to return.")]
Cursor = Annotated[
    str | None, Query(description="A prediction's `epoch:seq`.", json_schema_extra=_CURSOR_FORM)
]


class HistoryPage(Message):
    """Predictions as they were sent, newest first; `next` leads to older ones."""

    predictions: tuple[Prediction, ...]
    next: str | None
    """A path with its query; null if no older ones are kept, or none that were requested."""


class EventsPage(Message):
    """Events, oldest first; `next` leads to later ones."""

    events: tuple[Event, ...]
    next: str | None
    """A path with its query; null if there are no later ones yet."""


_LINKED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, `rel="next"` (RFC 8288); absent on the last.',
                "schema": {"type": "string"},
            }
        }
    }
}


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """The headsets, and what was published about them."""

    router: ClassVar[APIRouter] = router

    headsets: Headsets
    bus: Bus


Given = Annotated[HistoryPart, given(HistoryPart)]


@router.get(
    "/v1/headsets/{identifier}/history",
    response_model=HistoryPage,
    responses=_LINKED | responses(404, 410, 422),
)
async def history(
    part: Given,
    request: Request,
    identifier: str,
    limit: Limit = 100,
    before: Cursor = None,
    after: Cursor = None,
) -> Response:
    """Return the predictions of the last ten minutes, newest first.

    They are as they were sent then, each with its window; the current one is at
    `/v1/headsets/{identifier}/prediction`. `before` and `after` are a prediction's `epoch:seq`:
    only older ones are returned, only newer ones, or those between. If the prediction that is
    named is no longer kept, the answer is 410: what came before or after it is not known any more,
    and a page never hides a gap.
    """
    find_headset(part.headsets, identifier)
    frames = part.bus.history.frames(identifier)
    places = {_cursor(frame): at for at, frame in enumerate(frames)}
    _check_form(before, after)
    end = len(frames) if before is None else _place(places, before)
    start = 0 if after is None else _place(places, after) + 1
    shown = frames[max(start, end - limit) : end][::-1]
    more = end - limit > start
    bounds = {"before": _cursor(shown[-1])} if more else None
    if bounds is not None and after is not None:
        bounds["after"] = after
    return _page(request, "predictions", [frame.data for frame in shown], limit, bounds)


@router.get(
    "/v1/headsets/{identifier}/events",
    response_model=EventsPage,
    responses=_LINKED | responses(404, 410, 422),
)
async def events(
    part: Given,
    request: Request,
    identifier: str,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=0, lt=2**63, description="An event's `number`.")] = None,
) -> Response:
    """Return what happened to the headset, oldest first: states, baselines and markers.

    The newest thousand are kept, until the service ends. With `after` only later ones are
    returned. If the event of that number is no longer kept, the answer is 410: others after it
    may be gone too.
    """
    find_headset(part.headsets, identifier)
    kept = part.bus.events.of(identifier)
    start = 0
    if after is not None:
        numbers = {event.number: at for at, event in enumerate(kept)}
        if after not in numbers:
            raise HTTPException(
                HTTPStatus.GONE,
                f"found no event {after} of this headset, expected one that is kept; repeat the "
                "request without 'after'",
            )
        start = numbers[after] + 1
    shown = kept[start : start + limit]
    more = start + limit < len(kept)
    bounds = {"after": str(shown[-1].number)} if more else None
    return _page(request, "events", [event.encode().encode() for event in shown], limit, bounds)


def _cursor(frame: Frame) -> str:
    return f"{frame.epoch}:{frame.seq}"


def _check_form(*cursors: str | None) -> None:
    for cursor in cursors:
        if cursor is not None and not EVENT_ID.fullmatch(cursor):
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"found {cursor!r}, expected epoch:seq as a prediction has them, such as "
                "3f9c1b2a:17; or take it from 'next'",
            )


def _place(places: dict[str, int], cursor: str) -> int:
    place = places.get(cursor)
    if place is None:
        raise HTTPException(
            HTTPStatus.GONE,
            f"found no prediction {cursor} of this headset, expected one of the last "
            f"{KEPT_SECONDS / 60:g} minutes; repeat the request without 'before' and 'after'",
        )
    return place


def _page(
    request: Request, name: str, items: list[bytes], limit: int, bounds: dict[str, str] | None
) -> Response:
    """Return a page of encoded items; `bounds` are the next page's, None on the last."""
    following = None
    headers = {}
    if bounds is not None:
        following = f"{request.url.path}?{urlencode({'limit': limit, **bounds}, safe=':')}"
        headers["Link"] = f'<{following}>; rel="next"'
    tail = json.dumps(following).encode()
    body = b'{"%b":[%b],"next":%b}' % (name.encode(), b",".join(items), tail)
    return Response(body, headers=headers, media_type="application/json")
