"""Connections without a whole request: few, not for long, and no one else's trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from eeg_emotion.api.arrivals import Arrivals
from eeg_emotion.api.service import Service

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
WHOLE = "GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n"
PIECES = {
    "nothing": "",
    "half a head": "GET /livez HTTP/1.1\r\nHost:",
    "half a body": (
        "POST /v1/predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n{{"
    ),
    "one and a half": WHOLE + "GET /livez",
}


@contextlib.asynccontextmanager
async def caller(address: str, says: str) -> AsyncIterator[asyncio.StreamReader]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(says.format(address=address).encode())
    try:
        yield reader
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, however it comes."""
    got = b""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(4096):
                got += some
    return got


@pytest.mark.parametrize("piece", PIECES)
async def test_a_request_that_does_not_arrive_is_not_awaited_for_ever(
    serving: Serving, piece: str
) -> None:
    async with (
        serving(arrivals=Arrivals(patience_seconds=0.3)) as address,
        caller(address, PIECES[piece]) as reader,
    ):
        begun = asyncio.get_running_loop().time()
        got = await ended(reader)
        assert asyncio.get_running_loop().time() - begun < 3, "as uvicorn's own 5 s"
        assert (b"200 OK" in got) == (piece == "one and a half")


async def test_one_more_than_may_be_ends_the_oldest_and_who_asks_is_answered(
    serving: Serving,
) -> None:
    async with serving(arrivals=Arrivals(most=3)) as address, contextlib.AsyncExitStack() as open_:
        idle = [await open_.enter_async_context(caller(address, "")) for _ in range(3)]
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/livez")).status_code == 200
        assert await ended(idle[0]) == b""
        assert not idle[2].at_eof()


async def test_an_answer_may_take_longer_than_its_request(
    service: Service, serving: Serving
) -> None:
    service.headsets.add("h1")
    said = "GET /v1/headsets/h1/stream HTTP/1.1\r\nHost: {address}\r\n\r\n"
    async with (
        serving(arrivals=Arrivals(most=1, patience_seconds=0.1)) as address,
        caller(address, said) as reader,
    ):
        async with asyncio.timeout(10):
            assert b"200 OK" in await reader.readuntil(b"\r\n")
            await reader.readuntil(b"event: subscribed")
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            for _ in range(3):
                assert (await client.get("/livez")).status_code == 200
                await asyncio.sleep(0.1)
        assert not reader.at_eof()
        assert reader.exception() is None
