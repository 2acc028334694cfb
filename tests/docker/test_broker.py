"""The broker's configuration in a real broker: what each user may publish and receive."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
import yaml
from nats.aio.client import Client
from tests.support.broker import Broker
from tests.support.dockerfile import DOCKER
from tests.support.ports import free_port
from tests.support.waiting import until

REFUSED = "Permissions Violation"


@pytest.fixture
def monitor() -> tuple[str, str]:
    return ("-m", str(free_port()))


@pytest.fixture
def broker(
    nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: tuple[str, str]
) -> Iterator[Broker]:
    monkeypatch.setenv("INGEST_PASSWORD", "of-ingests")
    monkeypatch.setenv("GATEWAY_PASSWORD", "of-gateways")
    server = Broker(nats_server, tmp_path, "-c", str(DOCKER / "broker/nats.conf"), *monitor)
    server.start()
    yield server
    server.kill()


async def connected(broker: Broker, user: str, refused: list[str]) -> Client:
    async def note(error: Exception) -> None:
        refused.append(str(error))

    url = broker.url.replace("//", f"//{user}:of-{user}s@")
    return await nats.connect(url, error_cb=note, allow_reconnect=False)


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("ingest", "emotion.v1.demo.a.prediction"),
        ("ingest", "emotion.v1.demo._roll"),
        ("gateway", "emotion.v1.demo._interest"),
        ("gateway", "emotion.v1.demo._ingest.i1.ask"),
    ],
)
async def test_each_user_may_publish_what_it_must(broker: Broker, user: str, subject: str) -> None:
    refused: list[str] = []
    listener = "gateway" if user == "ingest" else "ingest"
    speaker = await connected(broker, user, refused)
    hearer = await connected(broker, listener, refused)
    try:
        received = await hearer.subscribe(subject)
        for _ in range(2):  # the first may overtake the subscription in the client
            await hearer.flush()
        await speaker.publish(subject, b"x")
        assert (await received.next_msg(timeout=10)).data == b"x"
        assert refused == []
    finally:
        await speaker.close()
        await hearer.close()


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("ingest", "emotion.v1.elsewhere.a.prediction"),
        ("ingest", "emotion.v1.demo._ingest.i1.ask"),
        ("gateway", "emotion.v1.demo.a.prediction"),
        ("gateway", "emotion.v1.demo._roll"),
    ],
)
async def test_no_user_may_impersonate_another(broker: Broker, user: str, subject: str) -> None:
    refused: list[str] = []
    client = await connected(broker, user, refused)
    try:
        await client.publish(subject, b"x")
        await until(lambda: refused)
        assert REFUSED.lower() in refused[0].lower()
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("user", "subject"),
    [("ingest", "emotion.v1.demo.a.prediction"), ("gateway", "emotion.v1.demo._ingest.i1.ask")],
)
async def test_no_user_may_receive_what_is_not_for_it(
    broker: Broker, user: str, subject: str
) -> None:
    refused: list[str] = []
    client = await connected(broker, user, refused)
    try:
        await client.subscribe(subject)
        await until(lambda: refused)
        assert REFUSED.lower() in refused[0].lower()
    finally:
        await client.close()


def test_the_health_check_is_answered(broker: Broker, monitor: tuple[str, str]) -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    address = compose["services"]["broker"]["healthcheck"]["test"][-1]
    assert "\nhttp: 127.0.0.1:8222 " in (DOCKER / "broker/nats.conf").read_text(encoding="utf-8")
    here = address.replace("127.0.0.1:8222", f"127.0.0.1:{monitor[1]}")
    assert here != address
    with urllib.request.urlopen(here, timeout=20) as answer:
        assert answer.status == 200


async def test_unknown_clients_are_refused(broker: Broker) -> None:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        try:
            assert (await reader.readline()).startswith(b"INFO ")
            writer.write(b"CONNECT {}\r\nPING\r\n")
            assert b"Authorization Violation" in await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()
