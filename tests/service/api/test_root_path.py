"""The service under a path of a proxy, which the proxy takes off or leaves on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from httpx_sse import aconnect_sse
from tests.support.service import Service
from websockets.asyncio.client import connect

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.cluster.forwarding import LocalResponder
from eeg_emotion.cluster.packets import Call
from eeg_emotion.publish.messages import Prediction

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]

ROOT = "/lab/emotion"


@pytest.fixture(params=["", ROOT], ids=["taken off", "left on"])
async def base(
    service: Service, serving: Serving, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """Serve under `ROOT`; gives what a proxy of either kind puts before a path of the service."""
    async with serving(root_path=ROOT) as address:
        yield f"{address}{request.param}"


@pytest.fixture
async def client(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{base}", trust_env=False) as client:
        yield client


class References(HTMLParser):
    """What a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("link", "script", "img"):
            self.found += [value for name, value in attrs if name in ("href", "src") and value]


def at_the_proxy(path: str) -> str:
    """Return what a proxy that takes its path off passes on; it must be its path."""
    assert path.startswith(f"{ROOT}/"), path
    return path.removeprefix(ROOT)


@pytest.mark.parametrize("page", ["/", "/docs"])
async def test_all_that_a_page_loads_is_under_the_path(
    client: httpx.AsyncClient, page: str
) -> None:
    text = (await client.get(page)).text
    found = References(text).found
    found += re.findall(r"url: '([^']+)'", text)  # of the document that /docs shows
    assert len(found) >= 4
    for reference in found:
        path = at_the_proxy(urljoin(f"{ROOT}{page}", reference))
        assert (await client.get(path)).status_code == 200, reference


async def test_the_page_has_its_policy_and_needs_no_key(
    client: httpx.AsyncClient, service: Service, tmp_path: Path
) -> None:
    service.access = Access(keys=KeyStore(tmp_path / "keys.json"))
    page = await client.get("/")
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (await client.get("/v1/headsets")).status_code == 401


async def test_documents_state_the_path(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json()["servers"] == [{"url": ROOT}]
    servers = (await client.get("/asyncapi.json")).json()["servers"]
    assert {server["pathname"] for server in servers.values()} == {ROOT}


async def test_links_lead_to_the_next_page_through_the_proxy(
    client: httpx.AsyncClient, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    for seq in range(3):
        service.bus.publish(prediction(seq=seq))
    first = await client.get("/v1/headsets/h1/history?limit=2")
    following = first.json()["next"]
    assert first.links["next"]["url"] == following
    second = await client.get(at_the_proxy(following))
    assert [each["seq"] for each in second.json()["predictions"]] == [0]


async def test_events_and_the_websocket_are_under_the_path(
    base: str, client: httpx.AsyncClient, service: Service
) -> None:
    service.headsets.add("h1")
    async with asyncio.timeout(60):
        async with aconnect_sse(client, "GET", "/v1/headsets/h1/stream") as source:
            events = source.aiter_sse()
            while (await anext(events)).event != "subscribed":
                pass
        async with connect(f"ws://{base}/v1/stream", proxy=None) as socket:
            assert json.loads(await socket.recv())["type"] == "welcome"


async def test_errors_have_the_form_of_the_path_within(client: httpx.AsyncClient) -> None:
    assert "error" in (await client.get("/v2/models/none")).json()
    assert (await client.get("/none")).json()["detail"].startswith("found no path '/none'")


async def test_the_path_without_its_slash_leads_to_the_page(
    service: Service, serving: Serving
) -> None:
    async with (
        serving(root_path=ROOT) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client,
    ):
        answer = await client.get(ROOT)
    assert answer.status_code == 308
    assert urljoin(f"https://board.example.org{ROOT}", answer.headers["location"]) == (
        f"https://board.example.org{ROOT}/"
    )


async def test_a_path_that_only_begins_alike_is_another(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{ROOT}s/livez")).status_code == 404


async def test_a_key_may_be_limited_below_the_path(
    client: httpx.AsyncClient, service: Service, tmp_path: Path
) -> None:
    keys = KeyStore(tmp_path / "keys.json")
    service.access = Access(keys=keys)
    key = keys.add("wallboard", (Scope.parse("read:*"),))
    answer = await client.get("/v1/headsets", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200


async def test_an_ingest_s_links_lead_through_the_proxy_of_its_gateway(
    service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    for seq in range(3):
        service.bus.publish(prediction(seq=seq))
    call = Call(
        method="GET",
        path="/v1/headsets/h1/history",
        query="limit=2",
        body="",
        client="",
        subject="wallboard",
        scopes=("read:*",),
    )
    plain = await LocalResponder(service).answer(call)
    proxied = await LocalResponder(service).answer(call.model_copy(update={"root_path": ROOT}))
    assert json.loads(proxied.body)["next"] == ROOT + json.loads(plain.body)["next"]
    assert f"<{ROOT}/v1/" in proxied.headers["link"]
