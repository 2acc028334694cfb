"""Connections without a whole request: few, not for long, and no one else's trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable

import httpx
import pytest
from tests.support.service import Service

from eeg_emotion.api.arrivals import Arrivals

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


class WatchedArrivals(Arrivals):
    """Counts the connections that it cut."""

    cut = 0

    def _cut(self, connection: Hashable) -> None:
        self.cut += 1
        super()._cut(connection)


class Answered(asyncio.Transport):
    """A connection whose answer is taken bit by bit: so much is unsent, each time one looks."""

    def __init__(self, *unsent: int) -> None:
        super().__init__()
        self.unsent = list(unsent)
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return self.unsent.pop(0) if len(self.unsent) > 1 else self.unsent[0]

    def abort(self) -> None:
        self.aborted.set()


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
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(4096):
                got += some
    return got


@pytest.mark.parametrize("piece", PIECES)
async def test_a_request_that_does_not_arrive_is_not_awaited_for_ever(
    serving: Serving, piece: str
) -> None:
    arrivals = WatchedArrivals(patience_seconds=0.3)
    async with (
        serving(arrivals=arrivals) as address,
        caller(address, PIECES[piece]) as reader,
    ):
        got = await ended(reader)
        assert arrivals.cut == 1, "uvicorn's own time came first"
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
    arrivals = WatchedArrivals(most=1)
    async with serving(arrivals=arrivals) as address, caller(address, said) as reader:
        async with asyncio.timeout(60):
            assert b"200 OK" in await reader.readuntil(b"\r\n")
            await reader.readuntil(b"event: subscribed")
        assert not arrivals._awaited, "it has no time to keep to"
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            for _ in range(3):
                assert (await client.get("/livez")).status_code == 200
        assert arrivals.cut == 0
        assert not reader.at_eof()
        assert reader.exception() is None


async def test_an_answer_is_not_cut_while_its_reader_takes_it() -> None:
    """That a response is complete does not mean that it was read."""
    arrivals, slow, stuck = Arrivals(patience_seconds=0.0), Answered(3, 2, 1, 0), Answered(3, 2, 2)
    arrivals.await_request("slow", slow)
    arrivals.await_request("stuck", stuck)
    async with asyncio.timeout(60):
        await slow.aborted.wait()
        await stuck.aborted.wait()
    assert slow.unsent == [0]
    assert stuck.unsent == [2]


async def test_one_more_than_may_be_ends_no_answer_where_another_is_silent() -> None:
    arrivals, first, second, third = Arrivals(most=2), Answered(5), Answered(0), Answered(5)
    for number, transport in enumerate((first, second, third)):
        arrivals.await_request(number, transport)
    assert [each.aborted.is_set() for each in (first, second, third)] == [False, True, False]
    arrivals.await_request("fourth", Answered(5))
    assert first.aborted.is_set(), "where all take an answer it is the oldest after all"


async def test_a_service_that_stops_lets_answers_be_taken() -> None:
    arrivals, taken, silent = Arrivals(), Answered(5), Answered(0)
    arrivals.await_request("taken", taken)
    arrivals.await_request("silent", silent)
    arrivals.abort()
    assert (taken.aborted.is_set(), silent.aborted.is_set()) == (False, True)
