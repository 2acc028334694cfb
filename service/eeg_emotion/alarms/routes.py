"""REST: past and raised alarms, and the rules that raise them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from eeg_emotion.access.grants import Action
from eeg_emotion.alarms.alarms import AlarmRefused, Alarms, UnknownAlarm
from eeg_emotion.alarms.rulebook import RuleRefused, Source
from eeg_emotion.alarms.rules.rule import NAME_PATTERN, Rule
from eeg_emotion.alarms.store.store import EventStore, StoreError
from eeg_emotion.api.guard import client_access, grant_of, needs, require
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.api.root_path import own_path
from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.message import Message

router = APIRouter(responses=responses(), tags=["alarms"])

MOST = 1000
"""Events on a page; about 0.6 MB."""

_LINK = {
    "description": 'The next page of older ones, `rel="next"` (RFC 8288); absent on the last.',
    "schema": {"type": "string"},
}
_LINKED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Link": _LINK}}}

AlarmId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="An alarm's `alarm`.")]
RuleName = Annotated[str, Path(pattern=NAME_PATTERN, description="A rule's `name`.")]


class AlarmsPage(Message):
    """Changes of alarms, newest first; `next` leads to older ones."""

    alarms: tuple[Alarm, ...]
    next: str | None
    """A path with its query; null if no older ones are stored."""


class Acknowledgement(BaseModel):
    """An acknowledgement of an alarm, with an optional note."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str | None, Field(min_length=1, max_length=500)] = None


class RuleInForce(Message):
    """A rule and its source."""

    rule: Rule
    source: Source


class RulesInForce(Message):
    """All rules, those from files first."""

    rules: tuple[RuleInForce, ...]


@dataclass(frozen=True, slots=True)
class AlarmsPart:
    """The raised alarms, and the store of past ones."""

    router: ClassVar[APIRouter] = router

    alarms: Alarms
    events: EventStore


Given = Annotated[AlarmsPart, given(AlarmsPart)]


@router.get(
    "/v1/alarms",
    response_model=AlarmsPage,
    dependencies=needs(Action.READ),
    responses=_LINKED | responses(422, 503),
)
async def changes(
    part: Given,
    request: Request,
    response: Response,
    headset: Annotated[str | None, Query(description="Of this headset alone.")] = None,
    raised: Annotated[bool, Query(description="Of alarms alone that are raised now.")] = False,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = 100,
    before: Annotated[
        int | None, Query(ge=0, lt=2**63, description="From 'next': only older ones.")
    ] = None,
) -> AlarmsPage:
    """Return the changes of alarms from the event store, newest first.

    An alarm is listed once for each change: raised, acknowledged, cleared.
    """
    grant = grant_of(request)
    with _as_problems():
        found = await asyncio.to_thread(
            part.events.events,
            may_read=lambda name: grant.allows(Action.READ, name),
            headset=headset,
            raised=raised,
            before=before,
            limit=limit + 1,
        )
    shown = found[:limit]
    following = None
    if len(found) > limit:
        query: dict[str, Any] = {"limit": limit, "before": shown[-1].number}
        query |= {"headset": headset} if headset is not None else {}
        query |= {"raised": "true"} if raised else {}
        following = f"{request.url.path}?{urlencode(query)}"
        response.headers["Link"] = f'<{following}>; rel="next"'
    return AlarmsPage(alarms=tuple(stored.event for stored in shown), next=following)


@router.post(
    "/v1/alarms/{alarm}/acknowledge",
    dependencies=needs(Action.CONTROL),
    responses=responses(404, 409, 422, 503),
)
async def acknowledge(
    part: Given, alarm: AlarmId, said: Acknowledgement, request: Request
) -> Alarm:
    """Acknowledge a raised alarm; it stays raised until its rule clears it.

    Requires the scope `control` for the alarm's headset.
    """
    grant = grant_of(request)
    with _as_problems():
        headset = part.alarms.headset_of(alarm)
        if not grant.allows(Action.READ, headset) and not grant.allows(Action.CONTROL, headset):
            raise UnknownAlarm(alarm)
        require(request, Action.CONTROL, headset)
        return await part.alarms.acknowledge(alarm, grant.subject, said.note)


@router.get("/v1/rules", dependencies=needs(Action.READ))
async def rules(part: Given) -> RulesInForce:
    """List the rules in force."""
    return _in_force(part.alarms)


@router.put(
    "/v1/rules/{name}",
    dependencies=needs(Action.CONTROL),
    responses=responses(409, 422, 503),
)
async def put_rule(part: Given, name: RuleName, rule: Rule, request: Request) -> RulesInForce:
    """Add a rule, or replace the one of its name, whose alarms are cleared.

    It is kept across restarts. Requires the scope `control` for all headsets. A rule from a file
    that the service was started with can only be changed there.
    """
    _require_all(request)
    if rule.name != name:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"found the rule's name {rule.name!r}, expected {name!r}, as in the path",
        )
    with _as_problems():
        await part.alarms.put_rule(rule)
    return _in_force(part.alarms)


@router.delete(
    "/v1/rules/{name}",
    dependencies=needs(Action.CONTROL),
    responses=responses(404, 409, 422, 503),
)
async def delete_rule(part: Given, name: RuleName, request: Request) -> RulesInForce:
    """Delete a rule that was added over REST, and clear its alarms."""
    _require_all(request)
    with _as_problems():
        if not await part.alarms.delete_rule(name):
            raise HTTPException(
                HTTPStatus.NOT_FOUND, f"found no rule {name!r}; /v1/rules lists them"
            )
    return _in_force(part.alarms)


def _in_force(alarms: Alarms) -> RulesInForce:
    book = alarms.rulebook
    return RulesInForce(
        rules=tuple(
            RuleInForce(rule=rule, source=source)
            for rule in book.rules.rule
            if (source := book.source(rule.name)) is not None
        )
    )


def _require_all(request: Request) -> None:
    """Raise a 403 problem unless the caller may control every headset: rules may match any."""
    grant = grant_of(request)
    everything = any(
        scope.action is Action.CONTROL and scope.headsets == "*" for scope in grant.scopes
    )
    if everything:
        return
    why = "found no scope for this, expected control:*; ask for a key or token that has it"
    client_access(request).audit("refused", grant, path=own_path(request.scope), why=why)
    raise HTTPException(HTTPStatus.FORBIDDEN, why)


@contextlib.contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except UnknownAlarm as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
    except (AlarmRefused, RuleRefused) as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
    except StoreError as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
