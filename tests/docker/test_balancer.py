"""The balancer's configuration in a real balancer, in front of gateways that return their names."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.dockerfile import DOCKER
from tests.support.needs import the_program
from tests.support.ports import free_port

CONFIGURATION = DOCKER / "balancer/haproxy.cfg"


@pytest.fixture
def haproxy() -> str:
    return the_program("haproxy")


class Gateway:
    """A gateway that answers `/readyz` with a given status, and everything else with its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = "200 OK"
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line.startswith(b"GET /readyz "):
                writer.write(f"HTTP/1.0 {self.status}\r\n\r\n".encode())
                break
            writer.write(self.name.encode() + b"\n")
        writer.close()


class Subscriber:
    """A connection through the balancer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def gateway(self) -> str:
        """Return the name of the gateway that answers; empty if the connection has ended."""
        self._writer.write(b"who\n")
        return (await self._reader.readline()).decode().strip()

    def close(self) -> None:
        self._writer.close()


class Site:
    """A balancer before two gateways."""

    def __init__(self, port: int, gateways: list[Gateway]) -> None:
        self.port = port
        self.gateways = gateways

    async def subscribe(self) -> Subscriber:
        return Subscriber(*await asyncio.open_connection("127.0.0.1", self.port))

    async def one_after_another(self, count: int = 8) -> set[str]:
        """Return which gateways serve subscribers that stay connected until all are."""
        subscribers = [await self.subscribe() for _ in range(count)]
        found = {await subscriber.gateway() for subscriber in subscribers}
        for subscriber in subscribers:
            subscriber.close()
        return found

    async def until_only(self, *names: str) -> None:
        async with asyncio.timeout(20):
            while await self.one_after_another() != set(names):  # noqa: ASYNC110  # it offers no event
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(haproxy: str, tmp_path: Path) -> AsyncIterator[Site]:
    gateways = [Gateway("gateway-1"), Gateway("gateway-2")]
    port = free_port()
    text = CONFIGURATION.read_text(encoding="utf-8")
    places = {"bind :8080": f"bind 127.0.0.1:{port}"}
    for gateway in gateways:
        await gateway.start()
        places[f"{gateway.name}:8000"] = f"127.0.0.1:{gateway.port}"
    for place, here in places.items():
        assert text.count(place) == 1
        text = text.replace(place, here)
    changed = tmp_path / "haproxy.cfg"
    changed.write_text(text, encoding="utf-8")
    log = tmp_path / "log"
    with log.open("wb") as to:
        process = await asyncio.create_subprocess_exec(
            haproxy, "-db", "-f", changed, stdout=to, stderr=to
        )
    try:
        async with asyncio.timeout(20):
            while True:
                assert process.returncode is None, log.read_text(encoding="utf-8")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield Site(port, gateways)
    finally:
        process.kill()
        await process.wait()
        for gateway in gateways:
            gateway.stop()


def test_it_is_valid_with_names_that_are_not_known_yet(haproxy: str) -> None:
    checked = subprocess.run([haproxy, "-c", "-f", CONFIGURATION], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "[ALERT]" not in checked.stderr


async def test_gateways_share_the_subscribers(site: Site) -> None:
    await site.until_only("gateway-1", "gateway-2")


async def test_a_draining_gateway_gets_no_new_clients_and_keeps_its_own(site: Site) -> None:
    await site.until_only("gateway-1", "gateway-2")
    subscriber = await site.subscribe()
    stays = await subscriber.gateway()
    draining, other = sorted(site.gateways, key=lambda gateway: gateway.name != stays)
    draining.status = "503 Service Unavailable"
    await site.until_only(other.name)
    assert await subscriber.gateway() == stays
    subscriber.close()
    draining.status = "200 OK"
    await site.until_only("gateway-1", "gateway-2")


async def test_no_new_client_is_refused_while_one_gateway_dies(site: Site) -> None:
    """Even before a health check has noticed."""
    await site.until_only("gateway-1", "gateway-2")
    dead, other = site.gateways
    dead.stop()
    assert await site.one_after_another() == {other.name}
