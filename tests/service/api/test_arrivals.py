"""Connections without a whole request: few, not for long, and no one else's trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from tests.support.log_records import event_of
from tests.support.service import Service

from eeg_emotion.api.arrivals import Arrivals, Phase

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


class Answered(asyncio.Transport):
    """A connection whose answer is taken bit by bit: so much is unsent, each time one looks."""

    def __init__(self, *unsent: int) -> None:
        super().__init__()
        self.unsent = list(unsent)
        self.aborted = asyncio.Event()
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def end(self) -> bool:
        self.abort()
        return True

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
    refused: list[str] = []
    arrivals = Arrivals(patience_seconds=0.3, refused=refused.append)
    async with serving(arrivals=arrivals) as address, caller(address, PIECES[piece]) as reader:
        got = await ended(reader)
    assert refused == ["timeout"], "uvicorn's own time came first"
    assert (b"200 OK" in got) == (piece == "one and a half")
    assert (b"408 Request Timeout" in got) == (piece != "nothing")


async def test_a_byte_now_and_then_does_not_prolong_a_request(serving: Serving) -> None:
    arrivals = Arrivals(patience_seconds=0.5)
    async with serving(arrivals=arrivals) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\n")
        reading = asyncio.create_task(ended(reader))
        drops = 0
        while not reading.done():
            writer.write(b"a")
            drops += 1
            await asyncio.wait([reading], timeout=0.05)
        assert b"408 Request Timeout" in await reading
        assert drops > 5
        writer.close()


async def test_a_connection_kept_for_another_request_ends_without_a_refusal(
    serving: Serving,
) -> None:
    refused: list[str] = []
    arrivals = Arrivals(patience_seconds=0.3, refused=refused.append)
    async with serving(arrivals=arrivals) as address, caller(address, WHOLE) as reader:
        got = await ended(reader)
    assert got.count(b"HTTP/1.1") == 1
    assert refused == []


async def test_one_more_than_may_be_ends_the_oldest_and_who_asks_is_answered(
    serving: Serving,
) -> None:
    refused: list[str] = []
    arrivals = Arrivals(most=3, refused=refused.append)
    async with serving(arrivals=arrivals) as address, contextlib.AsyncExitStack() as open_:
        idle = [await open_.enter_async_context(caller(address, "")) for _ in range(3)]
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/livez")).status_code == 200
        assert await ended(idle[0]) == b""
        assert not idle[2].at_eof()
    assert refused == ["crowded"]


async def test_an_answer_may_take_longer_than_its_request(
    service: Service, serving: Serving
) -> None:
    service.headsets.add("h1")
    said = "GET /v1/headsets/h1/stream HTTP/1.1\r\nHost: {address}\r\n\r\n"
    refused: list[str] = []
    arrivals = Arrivals(most=1, refused=refused.append)
    async with serving(arrivals=arrivals) as address, caller(address, said) as reader:
        async with asyncio.timeout(60):
            assert b"200 OK" in await reader.readuntil(b"\r\n")
            await reader.readuntil(b"event: subscribed")
        assert [arrival.phase for arrival in arrivals] == [Phase.SUBSCRIBER]
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            for _ in range(3):
                assert (await client.get("/livez")).status_code == 200
        assert refused == []
        assert not reader.at_eof()
        assert reader.exception() is None


async def test_an_answer_is_not_cut_while_its_reader_takes_it() -> None:
    """That a response is complete does not mean that it was read."""
    slow, stuck = Answered(3, 2, 1, 0), Answered(3, 2, 2)
    refused: list[str] = []
    arrivals = Arrivals(patience_seconds=0.0, refused=refused.append)
    arrivals.open(slow, late=slow.end)
    arrivals.open(stuck)
    async with asyncio.timeout(60):
        await slow.aborted.wait()
        await stuck.aborted.wait()
    assert slow.unsent == [0]
    assert stuck.unsent == [2]
    assert sorted(refused) == ["timeout", "unread"]


async def test_an_endpoint_has_its_time_until_its_answer_is_not_read() -> None:
    arrivals, computing, blocked = Arrivals(patience_seconds=0.0), Answered(0), Answered(9)
    arrivals.open(computing).serve()
    unread = arrivals.open(blocked)
    unread.serve()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not blocked.aborted.is_set(), "all that was written may be on its way"
    unread.block(True)
    async with asyncio.timeout(60):
        await blocked.aborted.wait()
    assert not computing.aborted.is_set()


async def test_what_is_read_again_and_again_is_not_cut() -> None:
    """Not even with as much unsent each time that one looks."""
    arrivals, transport = Arrivals(patience_seconds=0.0), Answered(9)
    arrival = arrivals.open(transport)
    arrival.serve()
    for _ in range(10):
        arrival.block(True)
        arrival.block(False)
        arrival.block(True)
        await asyncio.sleep(0)
        assert not transport.aborted.is_set()
    async with asyncio.timeout(60):
        await transport.aborted.wait()


async def test_a_subscriber_that_is_closing_and_does_not_read_is_cut() -> None:
    arrivals, transport = Arrivals(patience_seconds=0.0), Answered(9)
    arrivals.open(transport).subscribe()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not transport.aborted.is_set(), "its subscriber has its own check"
    transport.closing = True
    async with asyncio.timeout(60):
        await transport.aborted.wait()
    assert arrivals.count == 0


async def test_one_more_than_may_be_ends_no_answer_where_another_is_silent() -> None:
    arrivals, first, second, third = Arrivals(most=2), Answered(5), Answered(0), Answered(5)
    for transport in (first, second, third):
        arrivals.open(transport)
    assert [each.aborted.is_set() for each in (first, second, third)] == [False, True, False]
    arrivals.open(Answered(5))
    assert first.aborted.is_set(), "where all take an answer it is the oldest after all"


async def test_one_more_than_may_be_at_endpoints_ends_the_oldest() -> None:
    arrivals, first, second = Arrivals(most_at_endpoints=1), Answered(0), Answered(0)
    arrivals.open(first).serve()
    arrivals.open(second).serve()
    assert (first.aborted.is_set(), second.aborted.is_set()) == (True, False)


async def test_a_lost_connection_stays_forgotten() -> None:
    arrivals = Arrivals()
    arrival = arrivals.open(Answered(0))
    arrival.close()
    arrival.await_request()
    arrival.serve()
    arrival.subscribe()
    assert arrivals.count == 0


async def test_without_a_descriptor_the_oldest_make_room() -> None:
    arrivals = Arrivals()
    idle, busy = [Answered(0) for _ in range(20)], Answered(0)
    arrivals.open(busy).serve()
    for transport in idle:
        arrivals.open(transport)
    arrivals.out_of_descriptors()
    assert [each.aborted.is_set() for each in idle] == [True] * 16 + [False] * 4
    assert not busy.aborted.is_set()


async def test_refusals_are_logged_once_a_minute_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    arrivals = Arrivals(clock=lambda: now[0])
    with caplog.at_level("INFO"):
        for _ in range(1000):
            arrivals.refuse("malformed")
        arrivals.refuse("timeout")
        now[0] = 61.0
        arrivals.refuse("malformed")
    assert [(event["reason"], event["count"]) for event in map(event_of, caplog.records)] == [
        ("malformed", 1),
        ("timeout", 1),
        ("malformed", 1000),
    ]


async def test_a_service_that_stops_lets_answers_be_taken() -> None:
    arrivals, taken, silent = Arrivals(), Answered(5), Answered(0)
    arrivals.open(taken)
    arrivals.open(silent)
    arrivals.abort()
    assert (taken.aborted.is_set(), silent.aborted.is_set()) == (False, True)
