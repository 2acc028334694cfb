"""Connections that reach no endpoint: each is answered, counted and closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import httpx
import pytest
from tests.support.log_records import event_of
from tests.support.refused import WAYS, Way, head, headsets, upgrade
from tests.support.service import Service
from tests.support.waiting import until

from eeg_emotion.api.arrivals import Arrivals

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]

# By the application, before its endpoint; the others by what reads requests.
BY_THE_APPLICATION = {403, 404, 413}
RESET = struct.pack("ii", 1, 0)


async def answers(address: str, way: Way) -> bytes:
    """Send what is refused, and return all that comes back until the service ends it."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    got = b""
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            writer.write(way.sends)
            await writer.drain()
            if way.then_ends:
                writer.write_eof()
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65536):
                got += some
    writer.close()
    return got


async def drained(arrivals: Arrivals) -> None:
    """Wait until no connection is left."""
    async with asyncio.timeout(60):
        while arrivals.count:  # noqa: ASYNC110  # it offers no event
            await asyncio.sleep(0.01)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("way", WAYS)
async def test_who_is_refused_is_answered_in_words_counted_and_let_go(
    service: Service, serving: Serving, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    refused: list[str] = []
    arrivals = Arrivals(refused=refused.append)
    async with serving(arrivals=arrivals) as address:
        got = await answers(address, WAYS[way])
        await drained(arrivals)
    *_, last = re.split(rb"HTTP/1.1 (?=\d{3} )", got)
    top, _, body = last.partition(b"\r\n\r\n")
    assert top.split()[0] == str(WAYS[way].status).encode()
    problem = json.loads(body)
    assert problem["status"] == WAYS[way].status
    assert "found" in problem["detail"]
    assert "expected" in problem["detail"]
    if WAYS[way].status not in BY_THE_APPLICATION:
        assert refused == ["malformed"]
        assert b"connection: close" in top.lower()
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_a_websocket_of_another_version_learns_which_one_is_spoken(address: str) -> None:
    got = await answers(address, WAYS["a WebSocket of version 8"])
    assert b"sec-websocket-version: 13\r\n" in got.lower()


async def test_256_headsets_by_long_ids_fit_in_an_address(address: str) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(upgrade(line=f"GET /v1/stream?{headsets(256, 110)} HTTP/1.1"))
    async with asyncio.timeout(60):
        assert b"101" in await reader.readline()
        await reader.readuntil(b'"type":"welcome"')
        await reader.readuntil(b'"type":"subscribed"')
    writer.close()


async def test_a_header_with_other_letters_is_no_reason(address: str) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(upgrade("X-Name: Zo\xeb"))
    async with asyncio.timeout(60):
        assert b"101" in await reader.readline()
    writer.close()


async def test_a_whole_request_is_answered_although_its_peer_sends_no_more(address: str) -> None:
    got = await answers(address, Way(head("GET /livez HTTP/1.1", "Host: localhost"), 200, True))
    assert got.startswith(b"HTTP/1.1 200")


async def test_an_upgrade_to_http_2_is_answered_without_it_and_without_a_log(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As curl requests it."""
    asked = head(
        *("GET /livez HTTP/1.1", "Host: localhost", "Connection: Upgrade, HTTP2-Settings"),
        *("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
    )
    got = await answers(address, Way(asked, 200, True))
    assert got.startswith(b"HTTP/1.1 200")
    assert not caplog.records


async def test_refusals_fill_no_log(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "eeg_emotion"):
        async with serving() as address:
            await asyncio.gather(*(answers(address, WAYS["zeros"]) for _ in range(20)))
    assert [event_of(record)["count"] for record in caplog.records] == [1]


@contextlib.asynccontextmanager
async def unread(address: str, says: bytes) -> AsyncIterator[None]:
    """Send a request, and read nothing."""
    host, port = address.split(":")
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, (host, int(port)))
        await loop.sock_sendall(peer, says)
        yield


@pytest.mark.parametrize("field", ["Connection: keep-alive", "Connection: close"])
async def test_an_answer_that_is_not_read_is_given_up(serving: Serving, field: str) -> None:
    refused: list[str] = []
    arrivals = Arrivals(patience_seconds=0.5, refused=refused.append)
    large = head("GET /static/plotly.min.js HTTP/1.1", "Host: localhost", field)
    async with serving(arrivals=arrivals) as address, unread(address, large):
        async with asyncio.timeout(60):
            while not refused:  # noqa: ASYNC110  # it offers no event
                await asyncio.sleep(0.01)
        await drained(arrivals)
    assert refused == ["unread"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts /proc/self/fd")
async def test_without_a_descriptor_the_service_goes_on_and_logs_it_once(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    import resource

    arrivals = Arrivals()
    loop = asyncio.get_running_loop()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(arrivals=arrivals) as address, contextlib.AsyncExitStack() as peers:
        host, port = address.split(":")
        held = [peers.enter_context(socket.socket()) for _ in range(40)]
        client = peers.enter_context(socket.socket())
        for each in (*held, client):
            each.setblocking(False)
        # Descriptors are numbered from the lowest that is free: about ten more may be opened.
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 10, hard))
        try:
            for each in held:
                await loop.sock_connect(each, (host, int(port)))
            async with asyncio.timeout(60):
                await loop.sock_connect(client, (host, int(port)))
                asked = head("GET /livez HTTP/1.1", "Host: localhost")
                await loop.sock_sendall(client, asked)
                assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # asyncio tries again a second after it could not accept: here on a listener that has closed.
    retries = loop._scheduled  # type: ignore[attr-defined]
    await until(lambda: not [timer for timer in retries if "_start_serving" in repr(timer)])
    errors = [event_of(record) for record in caplog.records if record.levelname == "ERROR"]
    assert [error["event"] for error in errors] == ["no descriptor left for a connection"]


async def refuse_all(address: str, rounds: int, random: Random) -> None:
    """Connect in every way, in any order and some at once; some leave before they are answered."""
    ways = list(WAYS.values()) * rounds
    random.shuffle(ways)

    async def one(way: Way) -> None:
        chance = random.random()
        if chance < 0.8:
            await answers(address, way)
            return
        if chance < 0.9:  # it stalls, and waits for the service to end it
            await answers(address, Way(way.sends[: random.randrange(len(way.sends))], 408))
            return
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(way.sends[: random.randrange(len(way.sends))])
        if random.random() < 0.5:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()

    for start in range(0, len(ways), 150):
        await asyncio.gather(*(one(way) for way in ways[start : start + 150]))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts /proc/self/fd")
@pytest.mark.parametrize(
    "rounds", [1, pytest.param(40, marks=[pytest.mark.needs("time"), pytest.mark.slow])]
)
async def test_after_all_refusals_there_are_as_many_descriptors_as_before(
    serving: Serving, rounds: int
) -> None:
    arrivals = Arrivals(patience_seconds=1.0)
    async with serving(arrivals=arrivals) as address:
        await answers(address, WAYS["zeros"])
        await drained(arrivals)
        before = open_files()
        await refuse_all(address, rounds, Random(rounds))
        await drained(arrivals)
        assert open_files() == before
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            assert (await client.get("/livez")).status_code == 200
