"""The guide's nginx configuration in a real nginx, in front of a real service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse
from tests.support.browser import program
from tests.support.certificates import self_signed
from tests.support.needs import the_program
from tests.support.ports import free_port
from tests.support.service import Service
from tests.support.waiting import until_listening
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from eeg_emotion.access.access import Access
from eeg_emotion.access.audit import Audit
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.access.origins import Origins
from eeg_emotion.client import Prediction as ReceivedPrediction
from eeg_emotion.client import connect
from eeg_emotion.publish.messages import Prediction

pytestmark = pytest.mark.needs("nginx")

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "nginx.md"
HOST = "board.example.org"
PAGE = f"https://{HOST}"
CALLER = "127.0.0.2"
# What a distribution's nginx.conf has around a site.
AROUND = """
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
    include {site};
}}
"""


@dataclass
class Site:
    """An nginx before a service.

    Attributes
    ----------
    port
        Where nginx listens.
    context
        Trusts its certificate, whatever name it is reached by.
    """

    port: int
    context: ssl.SSLContext

    def asking(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(verify=self.context, local_address=CALLER),
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": HOST, **headers},
        )

    def upgrade(self, query: str = "", origin: str = PAGE, **headers: str) -> connect_socket:
        return connect_socket(
            f"wss://{HOST}/v1/stream{query}",
            host="127.0.0.1",
            port=self.port,
            local_addr=(CALLER, 0),
            ssl=self.context,
            origin=Origin(origin),
            additional_headers=headers,
            proxy=None,
        )


Behind = Callable[..., contextlib.AbstractAsyncContextManager[Site]]


def configuration() -> str:
    """Return what the guide has a reader write into a file."""
    (block,) = re.findall(r"^```nginx\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    return str(block)


@pytest.fixture
def behind(tmp_path: Path) -> Behind:
    """Start nginx in front of an address; `changes` are made to the guide's configuration."""

    @contextlib.asynccontextmanager
    async def start(address: str, **changes: str) -> AsyncIterator[Site]:
        port = free_port()
        key, certificate = self_signed(tmp_path, "127.0.0.1")
        text = configuration()
        places = {
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "server 127.0.0.1:8000;": f"server {address};",
            "/etc/ssl/certs/board.example.org.pem": str(certificate),
            "/etc/ssl/private/board.example.org.key": str(key),
            **changes,
        }
        for place, here in places.items():
            assert text.count(place) == 1
            text = text.replace(place, here)
        site, around = tmp_path / "site.conf", tmp_path / "nginx.conf"
        site.write_text(text, encoding="utf-8")
        around.write_text(AROUND.format(folder=tmp_path, site=site), encoding="utf-8")
        context = ssl.create_default_context(cafile=certificate)
        context.check_hostname = False
        async with program(the_program("nginx"), "-c", around, "-p", tmp_path):
            await until_listening(port)
            yield Site(port, context)

    return start


@pytest.fixture
def key(service: Service, tmp_path: Path) -> str:
    """Have the service require credentials, as the guide does first."""
    keys = KeyStore(tmp_path / "keys.json")
    service.access = Access(
        keys=keys,
        audit=Audit("research", tmp_path / "audit.jsonl"),
        origins=Origins.parse([PAGE]),
    )
    service.headsets.add("h1")
    return keys.add("wallboard", (Scope.parse("read:*"),))


@pytest.fixture
async def site(service: Service, key: str, serving: Serving, behind: Behind) -> AsyncIterator[Site]:
    async with serving(trusted_proxies=["127.0.0.1"]) as address, behind(address) as site:
        yield site


def callers(tmp_path: Path) -> set[str]:
    lines = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["client"] for line in lines}


async def test_page_and_rest_are_served_and_credentials_required(site: Site, key: str) -> None:
    async with site.asking() as client:
        assert "<title>" in (await client.get("/")).text
        assert (await client.get("/v1/headsets")).status_code == 401
        basic = await client.get("/v1/headsets", auth=("wallboard", key))
        assert (basic.status_code, "expected 'Bearer'" in basic.text) == (401, True)
    async with site.asking(Authorization=f"Bearer {key}") as client:
        (headset,) = (await client.get("/v1/headsets")).json()
    assert headset["id"] == "h1"


async def test_a_page_connects_and_the_audit_has_its_callers_address(
    site: Site, key: str, service: Service, prediction: Callable[..., Prediction], tmp_path: Path
) -> None:
    """Even if the caller states another one."""
    async with asyncio.timeout(60), site.upgrade(**{"X-Forwarded-For": "203.0.113.9"}) as socket:
        hello = {"type": "hello", "token": key, "subscribe": ["h1"]}
        await socket.send(json.dumps(hello))
        kinds = [json.loads(await socket.recv())["type"] for _ in range(2)]
        service.bus.publish(prediction(seq=5))
        assert json.loads(await socket.recv())["seq"] == 5
    assert kinds == ["welcome", "subscribed"]
    assert callers(tmp_path) == {f"{CALLER}:0"}


async def test_a_foreign_page_is_refused(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await site.upgrade(origin="https://evil.example.org")
    assert refused.value.response.status_code == 403


async def test_events_arrive_at_once(
    site: Site, key: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with (
        asyncio.timeout(60),
        site.asking(Authorization=f"Bearer {key}") as client,
        aconnect_sse(client, "GET", "/v1/headsets/h1/stream") as source,
    ):
        events = source.aiter_sse()
        await service.bus.until_subscribers(1)
        for seq in range(3):
            service.bus.publish(prediction(seq=seq))
            while (event := await anext(events)).event != "prediction":
                pass
            assert event.id == f"e0:{seq}"


async def test_our_client_connects_by_https(
    site: Site,
    key: str,
    service: Service,
    prediction: Callable[..., Prediction],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    url = f"https://127.0.0.1:{site.port}"
    async with asyncio.timeout(60), connect(url, token=key, headsets=["h1"]) as stream:
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction(seq=7))
        async for message in stream:
            if isinstance(message, ReceivedPrediction):
                assert message.seq == 7
                break


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        # The service sees the name by which the page was opened, which proves nothing.
        ({}, 403),
        # It sees nginx's own name for it, as by nginx's default: it cannot know who asks.
        ({"proxy_set_header Host $http_host;": "proxy_set_header Host 127.0.0.1;"}, 200),
    ],
    ids=["as in the guide", "with another Host"],
)
async def test_without_a_key_strangers_are_kept_out_by_the_host_alone(
    service: Service, serving: Serving, behind: Behind, changes: dict[str, Any], status: int
) -> None:
    async with serving() as address, behind(address, **changes) as site, site.asking() as client:
        assert (await client.get("/v1/headsets")).status_code == status


async def test_without_its_lines_for_upgrades_no_websocket_connects(
    service: Service, key: str, serving: Serving, behind: Behind
) -> None:
    line = "proxy_set_header Upgrade $http_upgrade;"
    async with serving() as address, behind(address, **{line: ""}) as site:
        with pytest.raises(InvalidStatus) as refused:
            await site.upgrade(Authorization=f"Bearer {key}")
    assert refused.value.response.status_code == 426
