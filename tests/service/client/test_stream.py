"""The stream against a service that follows a script: what is said, when, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from eeg_emotion.client import (
    MessageError,
    Prediction,
    Reconnected,
    RefusedError,
    Stream,
    UnreachableError,
    connect,
    connection,
)
from eeg_emotion.publish.messages import PROTOCOL, GoingAway, Pong, Refused, Subscribed
from eeg_emotion.publish.session import STALLED_SECONDS

if TYPE_CHECKING:
    from tests.support.script import Naps, Script

Predict = Callable[..., Prediction]
KEY = "one-of-a-test"


async def following(stream: Stream) -> object:
    return await asyncio.wait_for(anext(stream), 60)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment that is not there: nothing here may be asked of it."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")


# -- what is said ------------------------------------------------------------------------------


async def test_hello_says_what_is_wanted_and_the_welcome_is_kept(script: Script) -> None:
    async with asyncio.TaskGroup() as tasks:
        greeting = tasks.create_task(script.greeted())
        async with connect(script.address, headsets=["a", "b"], detail=["a"], token=KEY) as stream:
            assert stream.welcome == script.welcome
    peer, hello = greeting.result()
    assert hello == {
        "type": "hello",
        "token": KEY,
        "acknowledges": True,
        "subscribe": ["a", "b"],
        "detail": ["a"],
    }
    assert peer.socket.subprotocol == PROTOCOL


async def test_leaving_closes_the_connection(script: Script) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
    await asyncio.wait_for(peer.socket.wait_closed(), 60)
    assert peer.socket.close_code == 1000
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_every_sixteenth_message_taken_is_acknowledged_at_once(
    script: Script, prediction: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_QUIET_SECONDS", 600.0)  # which would have it done as well
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        await peer.say(*(prediction(seq=seq) for seq in range(32)))
        for _ in range(31):
            await following(stream)
            await asyncio.sleep(0)
        # The answer to the subscription counts too.
        assert [await peer.next_message() for _ in range(2)] == [
            {"type": "ack", "received": 16},
            {"type": "ack", "received": 32},
        ]


async def test_what_is_taken_is_acknowledged_when_it_grows_quiet_and_nothing_else(
    script: Script, prediction: Predict, hasty: None
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        await peer.say(*(prediction(seq=seq) for seq in range(20)))
        for _ in range(3):
            await following(stream)
        assert await peer.next_message() == {"type": "ack", "received": 4}
        await following(stream)
        assert await peer.next_message() == {"type": "ack", "received": 5}


async def test_a_prediction_a_second_is_not_acknowledged_one_by_one(
    script: Script, prediction: Predict
) -> None:
    """What counts as quiet is more than a hop, and less than the service waits for."""
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        assert stream.welcome.model.hop_seconds < connection._QUIET_SECONDS < STALLED_SECONDS
        peer, _ = await greeting
        for seq in range(15):
            await peer.say(prediction(seq=seq))
            assert await following(stream) == prediction(seq=seq)
        assert await peer.next_message() == {"type": "ack", "received": 16}


async def test_answers_are_acknowledged_even_if_no_message_is_taken(
    script: Script, hasty: float
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address):
        peer, _ = await greeting
        assert await peer.next_message() == {"type": "ack", "received": 1}
        await peer.say(*[Pong()] * 16)
        assert await peer.next_message() == {"type": "ack", "received": 17}


async def test_a_silent_service_is_asked_and_one_that_answers_is_kept(
    script: Script, prediction: Predict
) -> None:
    script.welcome = script.welcome.model_copy(update={"heartbeat_seconds": 0.2})
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        for _ in range(4):
            assert await peer.next_message() == {"type": "ping"}
            await peer.say(Pong())
        await peer.say(prediction())
        assert await following(stream) == prediction()


async def test_a_service_that_answers_nothing_is_left(
    script: Script, prediction: Predict, naps: Naps
) -> None:
    script.welcome = script.welcome.model_copy(update={"heartbeat_seconds": 0.1})
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps) as stream:
        await greeting
        peer, _ = await script.greeted()
        assert await following(stream) == Reconnected({}, "nothing arrived for 0.2 s")
        await peer.say(prediction())
        assert await following(stream) == prediction()


# -- connections that end ----------------------------------------------------------------------


async def test_after_a_cut_it_resumes_after_the_last_prediction_of_each_headset(
    script: Script, prediction: Predict, naps: Naps
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, token=KEY, sleep=naps) as stream:
        peer, hello = await greeting
        assert "resume" not in hello
        await peer.say(prediction("a", 4), prediction("b", 1), prediction("a", 5))
        for _ in range(3):
            await following(stream)
        peer.socket.transport.abort()
        peer = await script.connected()
        hello = await peer.next_message()
        assert (hello["token"], hello["subscribe"]) == (KEY, ["*"])
        assert hello["resume"] == {"a": {"epoch": "e0", "seq": 5}, "b": {"epoch": "e0", "seq": 1}}
        await peer.say(
            script.welcome,
            Subscribed(headset="a", recovered=True, missed=1),
            Subscribed(headset="b", recovered=False, missed=0),
            Subscribed(headset="*", recovered=None, missed=0),
            prediction("a", 6),
            prediction("b", 1),
            prediction("b", 9),
        )
        assert await following(stream) == Reconnected(
            {"a": True, "b": False}, "the connection broke"
        )
        assert [await following(stream) for _ in range(2)] == [
            prediction("a", 6),
            prediction("b", 9),
        ]


async def test_the_time_that_going_away_names_is_waited_for(
    script: Script, prediction: Predict, naps: Naps
) -> None:
    now = 100.0
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps, clock=lambda: now) as stream:
        peer, _ = await greeting
        await peer.say(GoingAway(reconnect_after_ms=4500), prediction(seq=1))
        assert await following(stream) == prediction(seq=1)
        now = 101.5
        await peer.close(4001, "shutdown")
        await script.greeted()
        assert await following(stream) == Reconnected({"h1": False}, "closed with 4001 shutdown")
    assert naps.seconds == [3.0]


async def test_no_word_of_a_service_keeps_it_away_for_longer_than_two_minutes(
    script: Script, naps: Naps, soon: Random
) -> None:
    def answer(socket: ServerConnection, request: Request) -> Response:
        script.answer = None
        response = socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")
        response.headers["Retry-After"] = "86400"
        return response

    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps, random=soon, clock=lambda: 0.0) as stream:
        peer, _ = await greeting
        await peer.say(GoingAway(reconnect_after_ms=86_400_000))
        script.answer = answer
        await peer.close(4001)
        await script.greeted()
        await following(stream)
    assert naps.seconds == [120.0, 120.0]


async def test_what_a_token_s_callable_raises_ends_the_stream(script: Script, naps: Naps) -> None:
    tokens = iter([KEY])

    def token() -> str:
        for text in tokens:
            return text
        raise LookupError("the issuer does not answer")

    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, token=token, sleep=naps) as stream:
        peer, _ = await greeting
        await peer.close(1012)
        with pytest.raises(LookupError, match="issuer"):
            await following(stream)


@pytest.mark.parametrize(
    ("held", "code", "last"), [(9.0, 1012, 8.0), (11.0, 1012, 0.5), (9.0, 4003, 0.5)]
)
async def test_waits_grow_until_a_connection_has_held_for_10_s_or_its_token_expired(
    script: Script, naps: Naps, held: float, code: int, last: float
) -> None:
    class Latest(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    now = 0.0
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps, random=Latest(), clock=lambda: now) as stream:
        peer, _ = await greeting
        for _ in range(4):
            await peer.close(1012)
            peer = await script.connected()
        await peer.next_message()
        await peer.say(script.welcome, Subscribed(headset="*", recovered=None, missed=0))
        await following(stream)
        now += held
        await peer.close(code)
        await script.greeted()
        await following(stream)
    assert naps.seconds == [0.5, 1.0, 2.0, 4.0, last]


async def test_one_who_was_asleep_comes_again_at_once(script: Script, naps: Naps) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps, random=Random(3)) as stream:
        peer, _ = await greeting
        await peer.close(4008, "slow")
        await script.greeted()
        assert await following(stream) == Reconnected({}, "closed with 4008 slow")
    assert naps.seconds == [0.0]


async def test_messages_received_before_a_cut_are_taken_before_another_connection_is_made(
    script: Script, prediction: Predict, naps: Naps
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps) as stream:
        peer, _ = await greeting
        await peer.say(prediction(seq=0), prediction(seq=1))
        assert await following(stream) == prediction(seq=0)
        await peer.close(1012)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(script.peers.get(), 0.3)
        assert await following(stream) == prediction(seq=1)
        _, hello = await script.greeted()
        assert hello["resume"] == {"h1": {"epoch": "e0", "seq": 1}}


async def test_a_consumer_may_be_cancelled_while_it_waits(
    script: Script, prediction: Predict
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        for seq in range(3):
            waiting = asyncio.create_task(anext(stream))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])
            await peer.say(prediction(seq=seq))
            assert await following(stream) == prediction(seq=seq)


async def test_leaving_while_it_waits_to_connect_again_ends_at_once(script: Script) -> None:
    greeting = asyncio.create_task(script.greeted())
    napping = asyncio.Event()

    async def sleep(seconds: float) -> None:
        napping.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        async with connect(script.address, sleep=sleep):
            peer, _ = await greeting
            await peer.close(1012)
            await napping.wait()


async def test_leaving_while_it_waits_for_a_welcome_closes_that_connection(
    script: Script, naps: Naps
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps):
        peer, _ = await greeting
        await peer.close(1012)
        peer = await script.connected()
        await peer.next_message()
    await asyncio.wait_for(peer.socket.wait_closed(), 60)


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (4500, "pass a valid key or token"),
        (4501, "client of the service's"),
        (4777, "log"),
        (1009, "shorter token"),
    ],
)
async def test_a_final_close_is_an_error_from_the_beginning(
    script: Script, code: int, remedy: str
) -> None:
    async def refuse() -> None:
        peer = await script.connected()
        await peer.next_message()
        await peer.close(code, "no such key")

    refusing = asyncio.create_task(refuse())
    with pytest.raises(RefusedError, match=f"{code}.*no such key.*{remedy}") as refused:
        async with connect(script.address, token=KEY):
            pytest.fail("connected")
    assert (refused.value.code, refused.value.reason) == (code, "no such key")
    await refusing


async def test_a_final_close_ends_the_stream_after_what_came_before_it(
    script: Script, prediction: Predict
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        await peer.say(prediction())
        await peer.close(4500, "the key is no longer valid")
        assert await following(stream) == prediction()
        for _ in range(2):
            with pytest.raises(RefusedError, match="the key is no longer valid"):
                await following(stream)


async def test_an_asked_headset_that_is_refused_ends_the_stream(script: Script) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, headsets=["a", "b"]) as stream:
        peer, _ = await greeting
        await peer.say(Refused(headset="b", reason="not_allowed", detail="expected read:b"))
        with pytest.raises(RefusedError, match="expected read:b"):
            await following(stream)
        await asyncio.wait_for(peer.socket.wait_closed(), 60)


async def test_if_no_service_listens_the_first_connection_is_an_error(
    unused_tcp_port: int,
) -> None:
    with pytest.raises(UnreachableError, match=f"{unused_tcp_port}.*eeg-emotion serve"):
        async with connect(f"http://127.0.0.1:{unused_tcp_port}"):
            pytest.fail("connected")


@pytest.mark.parametrize(("status", "detail"), [(401, "the key is unknown"), (404, "Not Found")])
async def test_a_refused_upgrade_is_final(status: int, detail: str) -> None:
    def answer(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(HTTPStatus(status), json.dumps({"detail": detail}))

    async with serve(
        lambda socket: socket.wait_closed(), "127.0.0.1", 0, process_request=answer
    ) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RefusedError, match=detail) as refused:
            async with connect(f"http://127.0.0.1:{port}"):
                pytest.fail("connected")
    assert refused.value.code == status


async def test_a_full_service_is_tried_again_when_it_says(script: Script, naps: Naps) -> None:
    refusals = [3, 7]

    def answer(socket: ServerConnection, request: Request) -> Response | None:
        if not refusals:
            return None
        response = socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")
        response.headers["Retry-After"] = str(refusals.pop(0))
        return response

    class Soonest(Random):
        def uniform(self, a: float, b: float) -> float:
            return a

    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, sleep=naps, random=Soonest()) as stream:
        peer, _ = await greeting
        script.answer = answer
        await peer.close(1012)
        await script.greeted()
        await following(stream)
    assert naps.seconds == [0, 3, 7]


async def test_another_websocket_is_no_service() -> None:
    async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RefusedError, match=rf"expected emotion\.v1\.json at ws://.*{port}"):
            async with connect(f"http://127.0.0.1:{port}"):
                pytest.fail("connected")


# -- messages ----------------------------------------------------------------------------------


async def test_what_a_later_service_adds_is_passed_over(
    script: Script, prediction: Predict, hasty: float
) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        later = json.loads(prediction().model_dump_json()) | {"mood": {"name": "calm"}}
        await peer.say('{"type":"mood","name":"calm"}', json.dumps(later))
        assert await following(stream) == prediction()
        assert await peer.next_message() == {"type": "ack", "received": 3}


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"type":"prediction","headset":"a"}'])
async def test_a_message_that_is_wrong_ends_the_stream(script: Script, text: str) -> None:
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address) as stream:
        peer, _ = await greeting
        await peer.say(text)
        with pytest.raises(MessageError, match=r"not part of emotion\.v1\.json"):
            await following(stream)
        with pytest.raises(ConnectionClosed):
            await peer.socket.recv()


async def test_what_is_said_is_not_logged_since_it_holds_the_token(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.server").setLevel(logging.INFO)
    greeting = asyncio.create_task(script.greeted())
    async with connect(script.address, token=KEY):
        await greeting
    assert "hello" not in caplog.text
