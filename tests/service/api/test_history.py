"""What was: predictions as they were sent, and events, page by page without a hole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from tests.support.service import Service, WatchedBus

from eeg_emotion.api.history import EventsPage, HistoryPage
from eeg_emotion.codes import State
from eeg_emotion.publish.history import KEPT_SECONDS
from eeg_emotion.publish.messages import Prediction, Score, Status

Publish = Callable[..., None]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(
    service: Service, clock: Clock, strict_json: Callable[[bytes], Any]
) -> AsyncIterator[httpx.AsyncClient]:
    """Request pages about `h1`; each must match its model, and its Link header its `next`."""
    service.bus = WatchedBus(clock, clock)
    service.headsets.add("h1")

    async def check(response: httpx.Response) -> None:
        body = await response.aread()
        if response.is_error:
            assert response.headers["content-type"] == "application/problem+json"
            return
        assert response.headers["content-type"] == "application/json"
        kind = HistoryPage if response.url.path.endswith("history") else EventsPage
        page = kind.model_validate_json(body)
        assert strict_json(body) == page.model_dump(mode="json")
        linked = response.links.get("next")
        assert (linked and linked["url"]) == page.next

    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", event_hooks={"response": [check]}
    ) as client:
        yield client


@pytest.fixture
def publish(service: Service, prediction: Callable[..., Prediction]) -> Publish:
    def publish(*seqs: int, **changes: Any) -> None:
        for seq in seqs:
            service.bus.publish(prediction(seq=seq, **changes))

    return publish


async def seqs(client: httpx.AsyncClient, **query: Any) -> list[int]:
    response = await client.get("/v1/headsets/h1/history", params=query)
    assert response.status_code == 200
    return [item["seq"] for item in response.json()["predictions"]]


async def pages(client: httpx.AsyncClient, path: str, items: str) -> list[list[dict[str, Any]]]:
    """Follow `next` to the end."""
    found = []
    following: str | None = path
    while following is not None:
        page = (await client.get(following)).json()
        found.append(page[items])
        following = page["next"]
    return found


# -- predictions -------------------------------------------------------------------------------


async def test_without_predictions_the_page_is_empty(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/headsets/h1/history")
    assert response.json() == {"predictions": [], "next": None}


async def test_predictions_are_given_newest_first_as_they_were_sent(
    client: httpx.AsyncClient, publish: Publish, prediction: Callable[..., Prediction]
) -> None:
    publish(0, 1)
    publish(5, headset="h2")
    low = Score(probability=0.125, label="low")
    publish(2, arousal=low)
    response = await client.get("/v1/headsets/h1/history")
    sent = [prediction(seq=2, arousal=low), prediction(seq=1), prediction(seq=0)]
    text = ",".join(item.encode() for item in sent)
    assert response.text == f'{{"predictions":[{text}],"next":null}}'


async def test_scores_stay_as_they_were_after_the_headset_is_lost(
    client: httpx.AsyncClient, service: Service, publish: Publish
) -> None:
    publish(0)
    service.headsets.add("h1", state=State.LOST)
    (found,) = (await client.get("/v1/headsets/h1/history")).json()["predictions"]
    assert (found["valid"], found["arousal"]["probability"]) == (True, 0.75)
    assert found["window"] == {"start": 1e9, "end": 1e9 + 5}


async def test_next_leads_to_the_oldest_without_a_hole_while_new_ones_come(
    client: httpx.AsyncClient, publish: Publish
) -> None:
    publish(*range(7), epoch="e0")
    publish(*range(4), epoch="e1")
    first = (await client.get("/v1/headsets/h1/history?limit=3")).json()
    assert [item["seq"] for item in first["predictions"]] == [3, 2, 1]
    publish(4, 5, epoch="e1")
    rest = await pages(client, first["next"], "predictions")
    found = [[(item["epoch"], item["seq"]) for item in page] for page in rest]
    assert found == [
        [("e1", 0), ("e0", 6), ("e0", 5)],
        [("e0", 4), ("e0", 3), ("e0", 2)],
        [("e0", 1), ("e0", 0)],
    ]


async def test_a_page_that_ends_with_the_oldest_has_no_next(
    client: httpx.AsyncClient, publish: Publish
) -> None:
    publish(*range(6))
    assert [len(page) for page in await pages(
        client, "/v1/headsets/h1/history?limit=3", "predictions"
    )] == [3, 3]  # fmt: skip


async def test_after_and_before_bound_what_is_given_and_stay_in_next(
    client: httpx.AsyncClient, publish: Publish
) -> None:
    publish(*range(10))
    assert await seqs(client, after="e0:7") == [9, 8]
    assert await seqs(client, after="e0:9") == []
    assert await seqs(client, before="e0:2") == [1, 0]
    assert await seqs(client, before="e0:0") == []
    assert await seqs(client, before="e0:6", after="e0:3") == [5, 4]
    assert await seqs(client, before="e0:3", after="e0:6") == []
    bounded = await pages(client, "/v1/headsets/h1/history?limit=2&after=e0:4", "predictions")
    assert [[item["seq"] for item in page] for page in bounded] == [[9, 8], [7, 6], [5]]


async def test_a_hundred_are_given_and_a_thousand_at_most(
    client: httpx.AsyncClient, publish: Publish
) -> None:
    publish(*range(1001))
    assert len(await seqs(client)) == 100
    assert len(await seqs(client, limit=1000)) == 1000
    for limit in ("0", "1001", "ten"):
        response = await client.get("/v1/headsets/h1/history", params={"limit": limit})
        assert response.status_code == 422
        assert response.json()["errors"][0]["place"] == "query.limit"


async def test_what_is_older_than_ten_minutes_is_gone_and_so_is_its_cursor(
    client: httpx.AsyncClient, clock: Clock, publish: Publish
) -> None:
    publish(0)
    clock.seconds += 1
    publish(1)
    clock.seconds += KEPT_SECONDS - 0.5
    assert await seqs(client) == [1]
    for bound in ("after", "before"):
        response = await client.get("/v1/headsets/h1/history", params={bound: "e0:0"})
        assert response.status_code == 410
        assert "found no prediction e0:0" in response.json()["detail"]


async def test_a_cursor_of_another_connection_or_headset_is_gone(
    client: httpx.AsyncClient, publish: Publish
) -> None:
    publish(0)
    publish(1, headset="h2")
    for cursor in ("e9:0", "e0:1"):
        response = await client.get("/v1/headsets/h1/history", params={"after": cursor})
        assert response.status_code == 410


@pytest.mark.parametrize("cursor", ["", "7", "e0", "e0:", "e0:x", "e0:-1", ":1", "e0:1:2", "e0:²"])
@pytest.mark.parametrize("bound", ["after", "before"])
async def test_a_cursor_of_another_form_is_refused_with_the_right_one(
    client: httpx.AsyncClient, publish: Publish, bound: str, cursor: str
) -> None:
    publish(0)
    gone = {"after": "e9:0", "before": "e9:0"}
    response = await client.get("/v1/headsets/h1/history", params=gone | {bound: cursor})
    assert response.status_code == 422
    assert f"found {cursor!r}, expected epoch:seq" in response.json()["detail"]


# -- events ------------------------------------------------------------------------------------


def states(service: Service, identifier: str, *details: str) -> None:
    for detail in details:
        headset = service.headsets.add(identifier).model_copy(update={"detail": detail})
        service.bus.publish(Status(headset=headset))


async def test_events_are_given_oldest_first_with_their_times(
    client: httpx.AsyncClient, service: Service, clock: Clock
) -> None:
    states(service, "h1", "connects")
    clock.seconds += 5
    states(service, "h2", "something else")
    states(service, "h1", "lives")
    found = (await client.get("/v1/headsets/h1/events")).json()["events"]
    assert [(item["number"], item["time"], item["detail"]) for item in found] == [
        (0, 1000.0, "connects"),
        (2, 1005.0, "lives"),
    ]


async def test_events_go_on_after_a_number(client: httpx.AsyncClient, service: Service) -> None:
    states(service, "h1", *map(str, range(7)))
    found = await pages(client, "/v1/headsets/h1/events?limit=3", "events")
    assert [[item["detail"] for item in page] for page in found] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]
    last = "/v1/headsets/h1/events?after=6"
    assert (await client.get(last)).json() == {"events": [], "next": None}
    states(service, "h1", "news")
    assert [item["number"] for item in (await client.get(last)).json()["events"]] == [7]


@pytest.mark.parametrize("number", [0, 3, 99])
async def test_an_event_that_is_not_kept_is_gone(
    client: httpx.AsyncClient, service: Service, number: int
) -> None:
    states(service, "h2", "another's, number 0")
    states(service, "h1", "1", "2")
    response = await client.get("/v1/headsets/h1/events", params={"after": number})
    assert response.status_code == 410
    assert f"found no event {number}" in response.json()["detail"]


# -- both --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["history", "events"])
async def test_an_unknown_headset_is_a_problem(client: httpx.AsyncClient, what: str) -> None:
    response = await client.get(f"/v1/headsets/h9/{what}")
    assert response.status_code == 404
    assert "found no headset 'h9'" in response.json()["detail"]
