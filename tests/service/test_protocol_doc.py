"""PROTOCOL.md says what the code does: numbers, names, close codes and conversations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from eeg_emotion.access.grants import Action, Grant, Scope
from eeg_emotion.alarms import alarms
from eeg_emotion.api import arrivals, push, server, sse, subscribers, wire
from eeg_emotion.codes import Reason, State
from eeg_emotion.fleet import status
from eeg_emotion.publish import history, outbox, session
from eeg_emotion.publish.asyncapi import RECEIVED, SENT, SENT_AS_EVENTS
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.examples import MESSAGES
from eeg_emotion.publish.messages import (
    PROTOCOL,
    Baseline,
    Detail,
    Prediction,
    Status,
    TypedMessage,
    Welcome,
)
from eeg_emotion.publish.requests import MAX_SUBSCRIPTIONS
from eeg_emotion.publish.session import Session
from eeg_emotion.settings import Settings
from eeg_emotion.stream.link import LOST_SECONDS, STALE_SECONDS

_DOCS = Path(__file__).parents[2] / "docs"
_PAGE = (_DOCS / "reference" / "PROTOCOL.md").read_text(encoding="utf-8")
_MESSAGES: TypeAdapter[TypedMessage] = TypeAdapter(TypedMessage)
_PUBLISHED = (Prediction, Status, Detail, Baseline)


def _section(heading: str) -> str:
    _, found, after = _PAGE.partition(f"\n{heading}\n")
    assert found, heading
    return re.split(r"\n##+ ", after)[0]


def _table(heading: str) -> list[list[str]]:
    lines = [line for line in _section(heading).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)]


def _type(model: type[Any]) -> str:
    return str(model.model_json_schema()["properties"]["type"]["const"])


# What is promised


PROMISES = {row[0]: row for row in _table("## What is promised")}

NUMBERS: dict[str, list[float]] = {
    "P3": [history.RESUME_SECONDS],
    "P5": [STALE_SECONDS, LOST_SECONDS],
    "P6": [outbox.CREDITS, outbox.ACK_EVERY, outbox.REPLAY_ALLOWANCE],
    "P8": [session.STALLED_SECONDS],
    # Gone within both, and what a look each few seconds adds.
    "P9": [wire.PING_SECONDS, wire.PING_SECONDS, 45, sse.COMMENT_SECONDS],
    "P10": [
        Settings.model_fields["max_connections"].default,
        MAX_SUBSCRIPTIONS,
        wire.LARGEST_CLIENT_MESSAGE,
        session.MESSAGES_PER_SECOND,
        session.MESSAGES_AT_ONCE,
        arrivals.MOST,
        arrivals.PATIENCE_SECONDS,
    ],
    "P11": [subscribers.SPREAD_SECONDS, *subscribers.RETURN_SECONDS, 10],
    "P12": [session.HELLO_SECONDS],
    "P13": [history.KEPT_SECONDS],
    "P16": [alarms.UNWRITTEN_SECONDS],
}


def test_promises_are_numbered_without_a_hole() -> None:
    assert list(PROMISES) == [f"P{number}" for number in range(1, len(PROMISES) + 1)]


# What P7 states is measured by the bench, not set in the code.
@pytest.mark.parametrize("promise", sorted(set(PROMISES) - {"P7"}))
def test_a_promise_s_numbers_are_the_code_s(promise: str) -> None:
    assert _numbers(PROMISES[promise][2]) == NUMBERS.get(promise, [])


def test_an_orderly_exit_takes_less_than_is_promised() -> None:
    (*_, promised) = NUMBERS["P11"]
    graceful = server.make_server(FastAPI()).config.timeout_graceful_shutdown
    assert graceful is not None
    assert subscribers.SPREAD_SECONDS + subscribers.FAREWELL_SECONDS + graceful < promised


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (r"every (\S+) s for the counts of a live one", status.COUNTS_SECONDS),
        (r"no `hello` within (\S+) s where", session.HELLO_SECONDS),
        (r"`token` within (\S+) s of", session.HELLO_SECONDS),
        (r"acknowledged for (\S+) s while", session.STALLED_SECONDS),
        (r"more than (\S+) messages a second", session.MESSAGES_PER_SECOND),
        (r"a message of more than (\S+) bytes", wire.LARGEST_CLIENT_MESSAGE),
        (r"would exceed (\S+) bytes", wire.LARGEST_CLIENT_MESSAGE),
        (r"`Retry-After: (\S+)`", push.RETRY_AFTER_SECONDS),
        (r"(\S+) KiB in the kernel", wire.SEND_BUFFER_BYTES / 1024),
        (r"(\S+) KiB before it", wire.WRITE_BUFFER_BYTES / 1024),
        (r"up to (\S+) predictions besides the credits", outbox.REPLAY_ALLOWANCE),
        (r"cut off after (\S+) s", session.STALLED_SECONDS),
        (r"\nretry: (\S+)\n", sse.RETRY_MS),
    ],
)
def test_a_number_in_the_text_is_the_code_s(found: str, expected: float) -> None:
    (stated,) = re.findall(found.replace(" ", r"\s+"), _PAGE)
    assert float(stated) == expected


# Names


def test_the_subprotocol_is_named() -> None:
    assert f"subprotocol `{PROTOCOL}`" in _PAGE


@pytest.mark.parametrize(
    ("heading", "models"),
    [("## Messages from the client", RECEIVED), ("## Messages from the service", SENT)],
)
def test_a_table_has_every_message_with_every_field(
    heading: str, models: tuple[type[Any], ...]
) -> None:
    stated = {
        name.strip("`"): set(re.findall(r"`(\w+)`", fields)) for name, fields, _ in _table(heading)
    }
    assert stated == {_type(model): set(model.model_fields) - {"type"} for model in models}


def test_what_comes_by_server_sent_events_is_named() -> None:
    text = _section("## Server-Sent Events").partition(" of\n")[0]
    assert set(re.findall(r"`(\w+)`", text)) == {_type(model) for model in SENT_AS_EVENTS}


def test_every_reason_and_state_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", _section("## Messages from the service")))
    assert set(Reason) | set(State) <= named


def test_the_close_codes_are_the_code_s() -> None:
    rows = [row[:3] for row in _table("## Close codes") if len(row) == 4]
    assert rows == [
        [str(code.value), code.name.lower(), "yes" if code.again else "no"] for code in CloseCode
    ]


# Conversations, held with a real session


class Script:
    """The lines of one conversation, who says each, and what."""

    def __init__(self, text: str, before: dict[str, str]) -> None:
        self.lines: list[tuple[str, str]] = []
        for arrow, said in re.findall(r"^([→←]) (.*(?:\n   .*)*)", text, re.MULTILINE):
            if match := re.fullmatch(r"(\w+), as before", said):
                said = before[match[1]]
            elif said.startswith("{"):
                before[json.loads(said)["type"]] = said
            self.lines.append((arrow, said))
        count = len(re.findall(r"^\S", text, re.MULTILINE))
        assert len(self.lines) == count, "a line that is neither side's"


def _scripts() -> list[Script]:
    before: dict[str, str] = {}
    blocks = re.findall(r"```conversation\n(.*?)```", _PAGE, re.DOTALL)
    return [Script(block, before) for block in blocks]


SCRIPTS = _scripts()


class OneKey:
    """Knows the token of the page's examples, which may read what its `welcome` says."""

    def __init__(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self.closed: list[tuple[CloseCode, str]] = []
        self.grant = Grant(welcome.subject, tuple(map(Scope.parse, welcome.scopes)))

    def greet(self, grant: Grant) -> Welcome:
        assert grant == self.grant
        return self.welcome

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed.append((code, reason))

    def authenticate(self, token: str) -> Grant:
        assert token == "eeg_wallboard_…"  # noqa: S105 - an example
        return self.grant

    def is_valid(self, grant: Grant) -> bool:
        return True

    def audit(
        self, event: str, grant: Grant | None, *, headset: str | None = None, **facts: object
    ) -> None:
        pass


class Clock:
    """Time that only a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _spoken(script: Script, name: str) -> Any:
    for arrow, said in script.lines:
        if arrow == "←" and said.startswith("{") and json.loads(said)["type"] == name:
            return _MESSAGES.validate_json(said)
    raise AssertionError(name)


def _already_published(script: Script) -> Iterator[Prediction | Status]:
    """Return what follows the last `subscribed`: the session finds it on the bus."""
    given: dict[str, Prediction | Status] = {}
    subscribed = False
    for arrow, said in script.lines:
        if arrow == "→" or not said.startswith("{"):
            continue
        message = _MESSAGES.validate_json(said)
        if message.type == "subscribed":
            subscribed = True
        elif subscribed and isinstance(message, Prediction | Status):
            given.setdefault(message.type, message)
    yield from given.values()


def test_the_conversations_are_what_a_session_says() -> None:
    assert len(SCRIPTS) == 2
    bus, clock = Bus(Clock(), Clock()), Clock()
    for script in SCRIPTS:
        welcome = _spoken(script, "welcome")
        entry = OneKey(welcome)
        talk = Session(
            bus,
            entry,
            welcome=entry.greet,
            close=entry.close,
            wake=lambda: None,
            clock=clock,
            utc=clock,
            grant=None,
        )
        assert all(entry.grant.allows(Action.READ, known.id) for known in welcome.headsets)
        for message in _already_published(script):
            bus.publish(message)
        waiting: list[str] = []
        counted = 0
        for arrow, said in script.lines:
            waiting += [frame.data.decode() for frame in talk.outbox.take()]
            if arrow == "→":
                assert not waiting, "the service says more than the page tells"
                talk.receive(said)
                assert not entry.closed
                if json.loads(said)["type"] == "ack":
                    assert json.loads(said)["received"] == counted
                continue
            if said.startswith("close "):
                _, code, reason = said.split()
                talk.end(CloseCode.SHUTDOWN, "shutdown")
                assert entry.closed == [(CloseCode(int(code)), reason)]
                continue
            expected = _MESSAGES.validate_json(said)
            if not waiting:
                if expected.type == "going_away":
                    talk.leave(expected.reconnect_after_ms)
                else:
                    assert isinstance(expected, _PUBLISHED), expected.type
                    bus.publish(expected)
                waiting += [frame.data.decode() for frame in talk.outbox.take()]
            assert json.loads(waiting.pop(0)) == json.loads(said)
            counted += expected.type != "welcome"
        assert not waiting
        assert not talk.outbox.take()
        talk.detach()


def test_the_server_sent_events_are_as_the_service_writes_them() -> None:
    text = re.findall(r"```text\n(.*?)```", _section("## Server-Sent Events"), re.DOTALL)[0]
    _, *events = text.strip().split("\n\n")
    for event in events:
        lines = dict(line.split(": ", 1) for line in event.splitlines())
        message = _MESSAGES.validate_json(lines["data"])
        assert lines["event"] == message.type
        assert lines["data"] == message.encode()
        if isinstance(message, Prediction):
            assert lines["id"] == f"{message.epoch}:{message.seq}"
        else:
            assert "id" not in lines


# Flow control


def _listener(bus: Bus, clock: Clock, closed: list[CloseCode]) -> Session:
    (welcome,) = (message for message in MESSAGES if isinstance(message, Welcome))
    talk = Session(
        bus,
        OneKey(welcome),
        welcome=lambda grant: welcome,
        close=lambda code, reason: closed.append(code),
        wake=lambda: None,
        clock=clock,
        utc=clock,
        grant=None,
    )
    talk.receive(
        '{"type": "hello", "token": "eeg_wallboard_…", "acknowledges": true, "subscribe": ["*"]}'
    )
    talk.outbox.take()
    talk.receive('{"type": "ack", "received": 1}')
    return talk


@pytest.fixture
def second() -> Callable[[str], int]:
    """Return the second at which the page says that something happens."""

    def find(text: str) -> int:
        (row,) = (row for row in _table("## Flow control") if text in row[1])
        return int(row[0])

    return find


def test_the_example_of_flow_control_is_what_happens(second: Callable[[str], int]) -> None:
    (prediction,) = (m for m in MESSAGES if isinstance(m, Prediction) and m.valid)
    bus, clock = Bus(Clock(), Clock()), Clock()
    closed: list[CloseCode] = []
    waking, sleeping = _listener(bus, clock, closed), _listener(bus, clock, closed)
    got: dict[int, list[int | None]] = {}
    begin = clock.now
    while not closed:
        clock.now += 1
        now = round(clock.now - begin)
        assert now < 100
        headset = {"headset": "biosemi-1234", "seq": now}
        bus.publish(prediction.model_copy(update=headset))
        got[now] = [frame.seq for frame in waking.outbox.take()]
        sleeping.outbox.take()
        if now == second("the page wakes"):
            assert waking.outbox.conflated == 17
            waking.receive(f'{{"type": "ack", "received": {1 + outbox.CREDITS}}}')
            assert [frame.seq for frame in waking.outbox.take()] == [now]
            waking.detach()
        sleeping.tick()
    taken = [now for now, seqs in got.items() if seqs == [now]]
    assert max(taken) == second("the last credit is used")
    assert got[second("seq 33 is pending")] == []
    assert closed == [CloseCode.SLOW]
    assert now == second("if it still sleeps")
    assert "it replaced 17 others" in _section("## Flow control")
