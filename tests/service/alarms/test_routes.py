"""Alarms and rules over REST, the WebSocket and SSE of a running service."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.alarms.store.store import StoreError
from eeg_emotion.client import connect
from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import Alarm, AlarmChange
from eeg_emotion.publish.messages import Status

EXCITED = {
    "name": "excited",
    "text": "Excited, by the estimate.",
    "severity": "warning",
    "when": [{"of": "arousal", "above": 0.5}],
}
LOST = {
    "name": "lost",
    "text": "Signal lost.",
    "severity": "critical",
    "when": [{"of": "state", "is": ["lost"]}],
}


@dataclass
class Board:
    """A running service with its alarms, and REST in front of it."""

    service: Service
    address: str
    client: httpx.AsyncClient

    def excite(self, prediction: Callable[..., Any], headset: str = "h1") -> None:
        headsets: Any = self.service.headsets
        self.service.bus.publish(Status(headset=headsets.add(headset)))
        self.service.bus.publish(prediction(headset))

    async def until_kept(self, count: int) -> list[Alarm]:
        async with asyncio.timeout(60):
            while True:
                found = (await self.client.get("/v1/alarms")).json()["alarms"]
                if len(found) >= count:
                    return [Alarm.model_validate(item) for item in found]
                await asyncio.sleep(0.01)


@pytest.fixture
async def board(service: Service, address: str) -> AsyncIterator[Board]:
    task = asyncio.create_task(service.alarms.run())
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        yield Board(service, address, client)
    task.cancel()
    await asyncio.wait([task])


async def put(board: Board, rule: dict[str, Any]) -> httpx.Response:
    return await board.client.put(f"/v1/rules/{rule['name']}", json=rule)


async def test_a_new_rule_raises_an_alarm_that_is_published_stored_and_acknowledged(
    board: Board, prediction: Callable[..., Any]
) -> None:
    assert (await put(board, EXCITED)).status_code == 200
    async with connect(f"http://{board.address}") as stream:
        board.excite(prediction)
        reported = await until_alarm(stream)
        assert (reported.change, reported.rule, reported.headset) == (
            AlarmChange.RAISED,
            "excited",
            "h1",
        )
        assert reported.simulated
        assert reported.evidence is not None
        assert reported.evidence.arousal == prediction("h1").arousal.probability

        answer = await board.client.post(
            f"/v1/alarms/{reported.alarm}/acknowledge", json={"note": "on my way"}
        )
        assert answer.status_code == 200, answer.text
        seen = await until_alarm(stream)
    assert seen == Alarm.model_validate(answer.json())
    assert (seen.change, seen.note) == (AlarmChange.ACKNOWLEDGED, "on my way")
    assert await board.until_kept(2) == [seen, reported]
    again = await board.client.post(f"/v1/alarms/{reported.alarm}/acknowledge", json={})
    assert again.status_code == 409
    assert "acknowledged by" in again.json()["detail"]


async def until_alarm(stream: Any) -> Alarm:
    async with asyncio.timeout(60):
        async for message in stream:
            if isinstance(message, Alarm):
                return message
    raise AssertionError("the stream ended")


async def test_server_sent_events_include_alarms(
    board: Board, prediction: Callable[..., Any]
) -> None:
    await put(board, EXCITED)
    board.service.headsets.add("h1")
    async with (
        asyncio.timeout(60),
        board.client.stream("GET", "/v1/headsets/h1/stream") as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        board.excite(prediction)
        async for line in lines:
            if line == "event: alarm":
                break
        reported = json.loads((await anext(lines)).removeprefix("data: "))
    assert (reported["type"], reported["change"]) == ("alarm", "raised")


async def test_a_lost_signal_raises_an_alarm_and_deleting_the_rule_clears_it(board: Board) -> None:
    await put(board, LOST)
    headsets: Any = board.service.headsets
    board.service.bus.publish(Status(headset=headsets.add("h1", State.LOST)))
    (raised,) = await board.until_kept(1)
    assert (raised.severity, raised.text) == ("critical", "Signal lost.")

    assert (await board.client.delete("/v1/rules/lost")).json() == {"rules": []}
    cleared, _ = await board.until_kept(2)
    assert (cleared.change, cleared.alarm) == (AlarmChange.CLEARED, raised.alarm)
    assert "no longer in force" in str(cleared.note)
    shown = (await board.client.get("/v1/alarms", params={"raised": True})).json()
    assert shown == {"alarms": [], "next": None}


async def test_events_are_paged_newest_first(board: Board, prediction: Callable[..., Any]) -> None:
    await put(board, EXCITED)
    for headset in ("h1", "h2", "h3"):
        board.excite(prediction, headset)
    everything = await board.until_kept(3)
    first = await board.client.get("/v1/alarms", params={"limit": 2})
    assert f'<{first.json()["next"]}>; rel="next"' == first.headers["link"]
    second = await board.client.get(first.json()["next"])
    assert second.json()["next"] is None
    pages = first.json()["alarms"] + second.json()["alarms"]
    assert [Alarm.model_validate(item) for item in pages] == everything
    only = (await board.client.get("/v1/alarms", params={"headset": "h2"})).json()["alarms"]
    assert [item["headset"] for item in only] == ["h2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"when": []}, "at least 1 item"),
        ({"when": [{"of": "arousal"}]}, "found neither of 'above' and 'below'"),
        ({"when": [{"of": "arousal", "above": 2}]}, "less than or equal to 1"),
        ({"severity": "red"}, "'info', 'warning' or 'critical'"),
        ({"dwell": 3}, "Extra inputs are not permitted"),
        ({"name": "other"}, "expected 'excited', as in the path"),
    ],
)
async def test_an_invalid_rule_is_refused_with_the_place(
    board: Board, change: dict[str, Any], words: str
) -> None:
    answer = await board.client.put("/v1/rules/excited", json=EXCITED | change)
    assert answer.status_code == 422
    assert words in answer.text
    assert (await board.client.get("/v1/rules")).json() == {"rules": []}


async def test_rules_are_listed_with_their_source_and_survive_a_restart(
    board: Board,
) -> None:
    await put(board, EXCITED)
    listed = (await board.client.get("/v1/rules")).json()["rules"]
    assert [(item["rule"]["name"], item["source"]) for item in listed] == [("excited", "service")]
    assert set(board.service.events.rules()) == {"excited"}
    assert (await board.client.delete("/v1/rules/unknown")).status_code == 404


async def test_an_alarm_that_is_not_raised_cannot_be_acknowledged(board: Board) -> None:
    answer = await board.client.post(f"/v1/alarms/{'0' * 32}/acknowledge", json={})
    assert answer.status_code == 404
    assert "/v1/alarms?raised=true" in answer.json()["detail"]


async def test_readyz_reports_a_failed_store_and_the_service_goes_on(
    board: Board, prediction: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(board, EXCITED)

    def fail(*_: object) -> None:
        raise StoreError("found no disk, expected one; buy one")

    healthy = (await board.client.get("/readyz?verbose")).json()
    assert healthy["event_store"] == {"ok": True, "detail": "events are stored"}
    with monkeypatch.context() as broken:
        broken.setattr(board.service.events, "record", fail)
        board.excite(prediction)
        async with asyncio.timeout(60):
            while board.service.alarms.trouble is None:  # noqa: ASYNC110  # set by a thread
                await asyncio.sleep(0.01)
        answer = await board.client.get("/readyz?verbose")
        assert answer.json()["event_store"]["ok"] is False
        assert "1 events are not stored yet" in answer.json()["event_store"]["detail"]
        assert "no disk" in answer.json()["event_store"]["detail"]
    await board.until_kept(1)


@pytest.fixture
def keys(service: Service, tmp_path: Path) -> KeyStore:
    keys = KeyStore(tmp_path / "keys.json")
    service.access = Access(keys=keys)
    return keys


@contextlib.asynccontextmanager
async def asking(board: Board, keys: KeyStore, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    key = keys.add(f"k{len(keys.list())}", tuple(map(Scope.parse, scopes)))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://{board.address}", headers=headers) as client:
        yield client


async def test_scopes_limit_reading_and_control(
    board: Board, keys: KeyStore, prediction: Callable[..., Any]
) -> None:
    async with asking(board, keys, "read:*", "control:*") as all_of_it:
        assert (await all_of_it.put("/v1/rules/excited", json=EXCITED)).status_code == 200
        board.excite(prediction, "ward-1")
        board.excite(prediction, "lab-1")
        board.client = all_of_it
        raised = {alarm.headset: alarm.alarm for alarm in await board.until_kept(2)}
        async with asking(board, keys, "read:ward-*") as reader:
            seen = (await reader.get("/v1/alarms")).json()["alarms"]
            assert [item["headset"] for item in seen] == ["ward-1"]
            for headset, status in (("ward-1", 403), ("lab-1", 403)):
                path = f"/v1/alarms/{raised[headset]}/acknowledge"
                assert (await reader.post(path, json={})).status_code == status
            assert (await reader.put("/v1/rules/x", json=EXCITED)).status_code == 403
        async with asking(board, keys, "read:ward-*", "control:ward-*") as nurse:
            hidden = await nurse.post(f"/v1/alarms/{raised['lab-1']}/acknowledge", json={})
            assert hidden.status_code == 404
            refused = await nurse.put("/v1/rules/excited", json=EXCITED)
            assert refused.status_code == 403
            assert "expected control:*" in refused.json()["detail"]
            assert (await nurse.delete("/v1/rules/excited")).status_code == 403
            path = f"/v1/alarms/{raised['ward-1']}/acknowledge"
            answer = await nurse.post(path, json={})
            assert answer.status_code == 200
            assert answer.json()["by"] == "k2"
