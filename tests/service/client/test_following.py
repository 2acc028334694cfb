"""The stream of a real service: order, cuts, restarts, slowness, refusal and farewell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.proxy import Proxy
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.access.tokens import TokenVerifier
from eeg_emotion.client import (
    Detail,
    Message,
    Prediction,
    Reconnected,
    RefusedError,
    Status,
    Stream,
    connect,
)
from eeg_emotion.publish.bus import Published
from eeg_emotion.publish.outbox import CREDITS

if TYPE_CHECKING:
    from tests.support.script import Naps

Predict = Callable[..., Prediction]
Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
CUTS = 500
REMEMBERED = 100  # predictions of a headset, and more
TOKEN_SECONDS = 600.0
HEADSETS = ("h1", "h2", "h3")


@pytest.fixture
async def address(serving: Serving) -> AsyncIterator[str]:
    async with serving() as address:
        yield f"http://{address}"


async def following(stream: Stream) -> Message:
    return await asyncio.wait_for(anext(stream), 60)


async def test_predictions_states_and_details_come_in_order(
    address: str, service: Service, prediction: Predict
) -> None:
    live = Status(headset=service.headsets.add("h1"))
    quality = {"overall": 1.0, "faults": (), "interpolated": (), "channels": ()}
    made = prediction(seq=0)
    detail = Detail(headset="h1", epoch="e0", seq=0, window=made.window, **quality)
    async with connect(address, detail=["*"]) as stream:
        assert stream.welcome.headsets == (live.headset,)
        service.bus.publish(live)
        assert await following(stream) == live
        messages: list[Published] = [live, made, detail, prediction("h2", 7)]
        for message in messages:
            service.bus.publish(message)
        assert [await following(stream) for _ in messages] == messages


async def test_the_present_comes_first(address: str, service: Service, prediction: Predict) -> None:
    for seq in range(3):
        service.bus.publish(prediction(seq=seq))
    async with connect(address, headsets=["h1"]) as stream:
        assert await following(stream) == prediction(seq=2)


@pytest.mark.timeout(900)
async def test_five_hundred_cuts_lose_nothing_and_repeat_nothing(
    address: str, service: Service, prediction: Predict, soon: Random
) -> None:
    random = Random(17)
    taken: dict[str, list[int]] = {headset: [] for headset in HEADSETS}
    returns: list[Reconnected] = []

    async def consume(stream: Stream) -> None:
        async for message in stream:
            match message:
                case Prediction(headset=headset, seq=seq):
                    taken[headset].append(seq)
                case Reconnected():
                    returns.append(message)

    async with (
        Proxy(address.removeprefix("http://")) as proxy,
        connect(f"http://{proxy.address}", random=soon) as stream,
    ):
        await service.bus.until_subscribers(1)
        consuming = asyncio.create_task(consume(stream))
        cuts = seq = 0
        async with asyncio.timeout(880):  # however busy the machine is
            while True:
                behind = max(seq - len(seqs) for seqs in taken.values())
                if cuts >= CUTS and len(returns) > CUTS / 3 and not behind:
                    break
                # What it misses must be in the service's memory still, however slowly it returns.
                if behind < REMEMBERED and (cuts < CUTS or len(returns) <= CUTS / 3):
                    for headset in HEADSETS:
                        service.bus.publish(prediction(headset, seq))
                    seq += 1
                    # At any moment: while it connects, while it is answered, between messages.
                    await asyncio.sleep(random.uniform(0, 0.012))
                    cuts += proxy.cut()
                else:
                    await asyncio.sleep(0.01)
        assert not consuming.done()
        consuming.cancel()
    assert taken == {headset: list(range(seq)) for headset in HEADSETS}
    assert {state for message in returns for state in message.recovered.values()} == {True}


async def test_after_a_restart_it_is_reported_that_something_may_be_missing(
    serving: Serving, service: Service, prediction: Predict, soon: Random
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        address = await first.enter_async_context(serving())
        proxy = await stack.enter_async_context(Proxy(address))
        stream = await stack.enter_async_context(connect(f"http://{proxy.address}", random=soon))
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction(seq=40))
        assert await following(stream) == prediction(seq=40)
        proxy.target = None
        proxy.cut()
        await first.aclose()
        # What a new process knows: nothing of before, and the headset in a new epoch.
        service.bus = type(service.bus)()
        service.bus.publish(prediction(seq=0, epoch="e1"))
        service.subscribers = type(service.subscribers)()
        proxy.target = await stack.enter_async_context(serving())
        returned = await following(stream)
        assert isinstance(returned, Reconnected)
        assert returned.recovered == {"h1": False}
        assert await following(stream) == prediction(seq=0, epoch="e1")
        service.bus.publish(prediction(seq=1, epoch="e1"))
        assert await following(stream) == prediction(seq=1, epoch="e1")


async def test_a_slow_consumer_gets_the_newest_and_is_not_closed(
    address: str, service: Service, prediction: Predict
) -> None:
    many = 400
    async with connect(address, headsets=["h1"]) as stream:
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction(seq=0))
        taken = [await following(stream)]
        for seq in range(1, many):
            service.bus.publish(prediction(seq=seq))
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            if seq % 40 == 0:
                taken.append(await following(stream))
                assert stream._inbox.waiting <= CREDITS
        while taken[-1] != prediction(seq=many - 1):
            taken.append(await following(stream))
    seqs = [message.seq for message in taken if isinstance(message, Prediction)]
    assert len(seqs) == len(taken)
    assert seqs == sorted(set(seqs))
    # The answer to the subscription took a credit too. Nothing older than the credits waited,
    # here or there: then comes the newest.
    assert seqs[: CREDITS - 1] == list(range(CREDITS - 1))
    assert len(seqs) < 2 * CREDITS


async def test_leaving_by_cancellation_frees_the_place_at_the_service(
    address: str, service: Service
) -> None:
    async def consume() -> None:
        async with connect(address) as stream:
            async for _ in stream:
                pytest.fail("there is nothing to be taken")

    consuming = asyncio.create_task(consume())
    await service.bus.until_subscribers(1)
    consuming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consuming
    await service.bus.until_subscribers(0, seconds=15)  # before a ping, after 20 s


async def test_a_service_that_goes_away_is_reconnected_to_when_it_says(
    address: str, service: Service, prediction: Predict, naps: Naps
) -> None:
    async with connect(address, headsets=["h1"], sleep=naps) as stream:
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction(seq=0))
        assert await following(stream) == prediction(seq=0)
        stopping, service.subscribers = service.subscribers, type(service.subscribers)()
        await stopping.drain()  # what the client returns to is another process
        returned = await following(stream)
        assert isinstance(returned, Reconnected)
        assert returned == Reconnected({"h1": True}, "closed with 4001 shutdown")
    assert len(naps.seconds) == 1
    assert 2.4 < naps.seconds[0] < 5.2, "after the drain, and not at once"


async def test_a_token_is_asked_for_and_judged(
    serving: Serving, service: Service, prediction: Predict, tmp_path: Path
) -> None:
    keys = KeyStore(tmp_path / "keys.json")
    key = keys.add("tester", (Scope.parse("read:h1"),))
    service.access = Access(keys=keys)
    service.bus.publish(prediction(seq=5))
    async with serving() as address:
        url = f"http://{address}"
        for token in (None, "another"):
            with pytest.raises(RefusedError, match="pass a valid key or token") as refused:
                async with connect(url, token=token):
                    pytest.fail("connected")
            assert refused.value.code == 4500
        async with connect(url, token=lambda: key) as stream:
            assert stream.welcome.subject == "tester"
            assert await following(stream) == prediction(seq=5)
        async with connect(url, headsets=["h1", "h2"], token=key) as stream:
            with pytest.raises(RefusedError, match="expected read:h2"):
                await following(stream)


@pytest.fixture
def issued(service: Service, tmp_path: Path) -> Callable[[], str]:
    """Make the service require tokens; return their issuer, each valid for ten minutes."""
    signer = Ed25519PrivateKey.generate()
    public = signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer").write_bytes(public)
    verifier = TokenVerifier(tmp_path / "issuer", audience="eeg-emotion", utc=lambda: service.utc())
    service.access = Access(tokens=verifier)

    def issue() -> str:
        claims = {
            "sub": "visitor",
            "aud": "eeg-emotion",
            "scope": "read:*",
            "exp": service.utc() + TOKEN_SECONDS,
        }
        return jwt.encode(claims, signer, algorithm="EdDSA")

    return issue


async def test_with_new_tokens_it_follows_across_the_end_of_each(
    address: str,
    service: Service,
    prediction: Predict,
    naps: Naps,
    soon: Random,
    issued: Callable[[], str],
) -> None:
    later, asked = 0.0, list[str]()
    service.utc = lambda: 1e9 + later

    def token() -> str:
        asked.append(issued())
        return asked[-1]

    async with connect(address, headsets=["h1"], token=token, sleep=naps, random=soon) as stream:
        for seq in range(2):
            await service.bus.until_subscribers(1)
            service.bus.publish(prediction(seq=seq))
            assert await following(stream) == prediction(seq=seq)
            later += TOKEN_SECONDS
            await service.bus.until_subscribers(0)
            returned = await following(stream)
            assert isinstance(returned, Reconnected)
            assert returned.recovered == {"h1": True}
            assert returned.why.startswith("closed with 4003 the token has expired")
    assert naps.seconds == [0.0, 0.0]
    assert len(asked) == len(set(asked)) == 3


async def test_with_a_token_that_stays_the_same_its_end_is_final(
    address: str, service: Service, naps: Naps, issued: Callable[[], str]
) -> None:
    later = 0.0
    service.utc = lambda: 1e9 + later
    async with connect(address, token=issued(), sleep=naps) as stream:
        later = TOKEN_SECONDS
        with pytest.raises(RefusedError, match="has expired") as refused:
            await following(stream)
    assert refused.value.code == 4500
    assert len(naps.seconds) == 1
