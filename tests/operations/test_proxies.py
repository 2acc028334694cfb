"""Real proxies with their defaults, or with a path of their own for the service."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from tests.support.browser import Page, program
from tests.support.needs import the_program
from tests.support.ports import free_port
from tests.support.service import Service
from tests.support.waiting import until_listening

from eeg_emotion.publish.messages import Prediction

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
Proxied = Callable[..., contextlib.AbstractAsyncContextManager[str]]

ROOT = "/lab/emotion"
NGINX = """
daemon off;
user root;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    server {{
        listen 127.0.0.1:{port};
        {site}
    }}
}}
"""
UPGRADES = """
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
"""
NGINX_SITES = {
    "taken off": "location {root}/ {{ proxy_pass http://{address}/; {upgrades} }}",
    "left on": "location {root}/ {{ proxy_pass http://{address}; {upgrades} }}",
}
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 1m
    timeout server 1m
    timeout tunnel 1h
frontend page
    bind 127.0.0.1:{port}
    {change}
    default_backend service
backend service
    server one {address}
"""
HAPROXY_CHANGES = {
    "taken off": "http-request replace-path {root}(/.*) \\1",
    "left on": "# as it comes",
}


@contextlib.asynccontextmanager
async def nginx(folder: Path, site: str) -> AsyncIterator[str]:
    """Run nginx with a site; gives where it listens."""
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port, site=site), encoding="utf-8")
    async with program(the_program("nginx"), "-c", file, "-p", folder):
        await until_listening(port)
        yield f"127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def haproxy(folder: Path, address: str, change: str) -> AsyncIterator[str]:
    """Run HAProxy before an address; gives where it listens."""
    port = free_port()
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(port=port, address=address, change=change), encoding="utf-8")
    async with program(the_program("haproxy"), "-db", "-f", file):
        await until_listening(port)
        yield f"127.0.0.1:{port}"


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("compressed", [False, True])
async def test_events_arrive_at_once_through_an_nginx_that_was_told_nothing_of_them(
    service: Service,
    serving: Serving,
    prediction: Callable[..., Prediction],
    tmp_path: Path,
    compressed: bool,
) -> None:
    service.headsets.add("h1")
    gzip = "gzip on; gzip_proxied any; gzip_types text/event-stream;" if compressed else ""
    async with (
        asyncio.timeout(60),
        serving() as address,
        nginx(tmp_path, gzip + f"location / {{ proxy_pass http://{address}; }}") as place,
        httpx.AsyncClient(base_url=f"http://{place}", trust_env=False) as client,
        client.stream(
            "GET",
            "/v1/headsets/h1/stream",
            headers={"Host": "localhost", "Accept-Encoding": "gzip" if compressed else "identity"},
        ) as answer,
    ):
        assert ("content-encoding" in answer.headers) == compressed
        pieces = answer.aiter_raw()
        plain = zlib.decompressobj(31) if compressed else None
        got = b""
        await service.bus.until_subscribers(1)
        for seq in range(3):
            service.bus.publish(prediction(seq=seq))
            while f"id: e0:{seq}\n".encode() not in got:
                piece = await anext(pieces)
                got += piece if plain is None else plain.decompress(piece)


@pytest.fixture(
    params=[
        pytest.param((proxy, way), marks=pytest.mark.needs(proxy), id=f"{proxy}, {way}")
        for proxy in ("nginx", "haproxy")
        for way in ("taken off", "left on")
    ]
)
def under_a_path(request: pytest.FixtureRequest, tmp_path: Path) -> Proxied:
    """Start a proxy that has `ROOT` for an address; gives where it listens."""
    proxy, way = request.param
    return lambda address: (
        nginx(
            tmp_path,
            NGINX_SITES[way].format(root=ROOT, address=address, upgrades=UPGRADES),
        )
        if proxy == "nginx"
        else haproxy(tmp_path, address, HAPROXY_CHANGES[way].format(root=ROOT))
    )


@pytest.mark.slow
async def test_the_page_works_under_a_path_of_a_proxy(
    service: Service,
    serving: Serving,
    under_a_path: Proxied,
    page: Page,
    prediction: Callable[..., Prediction],
) -> None:
    service.headsets.add("h1")
    async with serving(root_path=ROOT) as address, under_a_path(address) as place:
        # Without the last slash, as people type it.
        await page.open(f"http://{place}{ROOT}")
        await page.until('document.getElementById("connection").dataset.state === "connected"')
        service.bus.publish(prediction(seq=7))
        await page.until('now.seq.includes("7")')
        await page.until('document.querySelector("#plane .main-svg") !== null')
        assert page.complaints == []
    asked = [url for url in page.addresses if url.startswith(("http", "ws"))]
    assert len(asked) > 20
    outside = [url for url in asked if f"{place}{ROOT}" not in url]
    assert outside == []
