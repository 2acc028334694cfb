"""HEAD is answered wherever GET is: the same headers, and no body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.support.service import Service

from eeg_emotion.access.origins import Origins
from eeg_emotion.api.probes import metrics_server

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]

# They differ from one answer to the next.
VOLATILE = {"date", "content-length", "etag"}
PATHS = (
    *("/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/asyncapi.json"),
    *("/static/page.js", "/static/codes.js", "/static/plotly.min.js", "/static/none.js"),
    *("/static-offline-docs/swagger-ui.css", "/v1/headsets", "/v1/headsets/none", "/v1/montage"),
    *("/v1/stream", "/v1/alarms", "/v2/health/live", "/v2/models/none", "/v1/predict", "/none"),
)


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in VOLATILE}


@pytest.mark.parametrize("path", PATHS)
async def test_it_has_the_status_and_the_headers_of_get(address: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        get, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert headers_of(head) == headers_of(get)
        if "content-length" in get.headers and path != "/metrics":
            assert head.headers["content-length"] == get.headers["content-length"]


async def test_every_route_that_is_documented_answers_it(address: str, standing: Any) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        for path, operations in standing.openapi()["paths"].items():
            place = path.replace("{", "").replace("}", "")
            head = await client.head(place)
            assert (head.status_code == 405) == ("get" not in operations), path
            if head.status_code == 405:
                assert "HEAD" not in head.headers["allow"]


async def test_of_a_stream_of_events_it_takes_the_headers_and_no_place(
    service: Service, serving: Serving
) -> None:
    service.headsets.add("h1")
    async with (
        asyncio.timeout(60),
        serving() as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client,
    ):
        for _ in range(3):
            head = await client.head("/v1/headsets/h1/stream")
            assert head.status_code == 200
            assert head.headers["content-type"].startswith("text/event-stream")
            assert head.headers["x-accel-buffering"] == "no"
        await service.bus.until_subscribers(0)
        assert (await client.get("/livez")).status_code == 200


async def test_a_refused_one_says_why_in_its_status_alone(
    serving: Serving,
) -> None:
    async with serving() as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HEAD /livez HTTP/1.1\r\nHost: x\r\nCookie: " + b"x" * 9000 + b"\r\n\r\n")
        async with asyncio.timeout(60):
            got = await reader.read()
        writer.close()
    assert got.startswith(b"HTTP/1.1 431 ")
    assert got.endswith(b"\r\n\r\n")


async def test_the_port_of_the_metrics_answers_it_too(service: Service) -> None:
    app = metrics_server(service.vitals(), Origins.parse([])).config.app
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/metrics", "/livez", "/readyz"):
            head = await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
