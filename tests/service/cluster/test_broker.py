"""Both sides of a real broker, when it dies, when it returns, and when it is not one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.broker import HOP, MODEL, Broker, connecting, gateway_bus, ingest_bus, running
from tests.support.certificates import self_signed
from tests.support.frames import Bell, brief, take_all
from tests.support.messages import prediction, status
from tests.support.proxy import Proxy
from tests.support.waiting import until

from eeg_emotion.cluster.gateway import GatewayBus
from eeg_emotion.cluster.ingest import Identity, IngestBus
from eeg_emotion.cluster.packets import Call, IngestUnreachable, Reply
from eeg_emotion.codes import State
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Marker
from eeg_emotion.publish.outbox import Outbox

ASKED = Call(
    method="GET", path="/v1/rules", query="", body="", client="", subject="me", scopes=("read:*",)
)


def follow(bus: Bus, resume: dict[str, Position] | None = None) -> Outbox:
    outbox = Outbox(Bell())
    bus.attach(outbox, lambda headset: True)
    bus.subscribe(outbox, ["a"], resume)
    return outbox


def kept(bus: Bus) -> list[tuple[str | None, int | None]]:
    return [(frame.epoch, frame.seq) for frame in bus.history.frames("a")]


def state_of(gateway: GatewayBus) -> State | None:
    headset = gateway.mirror.headset("a")
    return None if headset is None else headset.state


async def test_local_subscribers_notice_nothing_of_a_broker_that_dies_and_gateways_catch_up(
    broker: Broker,
) -> None:
    ingest, gateway = ingest_bus(broker.url), gateway_bus(broker.url)
    async with running(ingest, gateway):
        await until(lambda: gateway.mirror.ingests())
        ingest.publish(status())
        ingest.publish(prediction(seq=0))
        await until(lambda: kept(gateway) == [("e0", 0)])
        local, far = follow(ingest), follow(gateway)
        take_all(local), take_all(far)

        broker.kill()
        await until(lambda: not ingest.traffic().connected)
        for seq in range(1, 4):
            ingest.publish(prediction(seq=seq))
            assert brief(take_all(local)) == [f"prediction a {seq}"]
        marker = Marker(headset="a", time=1e9, text="trial 7", ratings=None)
        ingest.publish(marker)
        await until(lambda: state_of(gateway) is State.LOST)
        assert take_all(far)[-1].name == "status"
        assert ingest.publish(prediction(seq=4)).seq == 4

        broker.start()
        await until(lambda: state_of(gateway) is State.LIVE)
        await until(lambda: kept(gateway) == [("e0", seq) for seq in range(5)])
        names: set[str] = set()

        def marker_came() -> bool:
            names.update(frame.name for frame in take_all(far))
            return "marker" in names

        await until(marker_came)
        assert names == {"status", "prediction", "marker"}
        assert gateway.traffic().refetched == 4
        assert gateway.traffic().holes == 0
        ingest.publish(prediction(seq=5))
        await until(lambda: kept(gateway)[-1] == ("e0", 5))


async def test_a_gateway_that_returns_after_its_ingest_gets_what_was_published_between(
    broker: Broker,
) -> None:
    async with Proxy(broker.url.removeprefix("nats://")) as link:
        ingest, gateway = ingest_bus(broker.url), gateway_bus(f"nats://{link.address}")
        async with running(ingest, gateway):
            await until(lambda: gateway.mirror.ingests())
            ingest.publish(status())
            await until(lambda: state_of(gateway) is State.LIVE)
            far = follow(gateway)
            take_all(far)
            link.stop_listening()
            link.cut()
            await until(lambda: not gateway.traffic().connected)
            sent = ingest.traffic().sent
            ingest.publish(Marker(headset="a", time=1e9, text="trial 7", ratings=None))
            await until(lambda: ingest.traffic().sent > sent)
            await link.listen_again()
            await until(lambda: any(frame.name == "marker" for frame in take_all(far)))


async def test_without_a_broker_an_ingest_is_a_memory_bus_and_finds_it_later(
    nats_server: str, tmp_path: Path
) -> None:
    broker = Broker(nats_server, tmp_path)
    ingest, gateway = ingest_bus(broker.url), gateway_bus(broker.url)
    try:
        async with running(ingest, gateway):
            local = follow(ingest)
            ingest.publish(status())
            ingest.publish(prediction(seq=0))
            assert brief(take_all(local)) == ["status a", "prediction a 0"]
            assert not ingest.traffic().connected
            broker.start()
            await until(lambda: kept(gateway) == [("e0", 0)])
            assert state_of(gateway) is State.LIVE
    finally:
        broker.kill()


async def test_a_gateway_that_comes_later_resumes_what_another_began(broker: Broker) -> None:
    ingest, first, second = (
        ingest_bus(broker.url),
        gateway_bus(broker.url),
        gateway_bus(broker.url),
    )
    async with running(ingest):
        async with running(first):
            await until(lambda: first.mirror.ingests())
            ingest.publish(status())
            for seq in range(3):
                ingest.publish(prediction(seq=seq))
            await until(lambda: kept(first)[-1:] == [("e0", 2)])
        ingest.publish(prediction(seq=3))
        async with running(second):
            await until(lambda: len(kept(second)) == 4)
            outbox = follow(second, {"a": Position("e0", 1)})
            assert brief(take_all(outbox)) == ["prediction a 2", "prediction a 3", "status a"]


async def test_gateways_serve_the_configured_sites(broker: Broker) -> None:
    here = ingest_bus(broker.url)
    there = IngestBus(Identity("there", "i1", "r1", "a" * 64, 1.0), connecting(broker.url))
    all_sites, one = gateway_bus(broker.url), gateway_bus(broker.url, "there")
    async with running(here, there, all_sites, one):
        here.publish(status("a"))
        there.publish(status("b"))
        await until(lambda: len(all_sites.mirror.headsets()) == 2)
        await until(lambda: one.mirror.headset("b") is not None)
        assert one.mirror.headset("a") is None


async def test_a_long_history_comes_whole(broker: Broker) -> None:
    """More than fits into one answer."""
    ingest, gateway = ingest_bus(broker.url), gateway_bus(broker.url)
    ingest.publish(status())
    for seq in range(1500):
        ingest.publish(prediction(seq=seq))
    assert sum(len(frame.data) for frame in ingest.history.frames("a")) > 500_000
    async with running(ingest, gateway):
        await until(lambda: len(kept(gateway)) == 1500)
    assert kept(gateway) == [("e0", seq) for seq in range(1500)]


async def test_a_call_is_answered_by_the_ingest_that_is_asked(broker: Broker) -> None:
    ingest, gateway = ingest_bus(broker.url), gateway_bus(broker.url)
    received: list[Call] = []

    async def answer(call: Call) -> Reply:
        received.append(call)
        return Reply(status=200, headers={"content-type": "text/plain"}, body="so it is")

    ingest.answer_calls(answer)
    async with running(ingest, gateway):
        await until(lambda: gateway.mirror.ingests())
        reply = await gateway.call(("here", "i1"), ASKED)
        assert (reply.body, received) == ("so it is", [ASKED])
        with pytest.raises(IngestUnreachable, match="'i2' of the site 'here'"):
            await gateway.call(("here", "i2"), ASKED)


def complaint(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    said = [r.msg for r in caplog.records if isinstance(r.msg, dict)]
    return any(each["event"] == "broker trouble" and text in each["why"] for each in said)


async def test_credentials_pass_through(
    nats_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(nats_server, tmp_path, "--user", "emotion", "--pass", "s3cret")
    broker.start()
    try:
        known = broker.url.replace("//", "//emotion:s3cret@")
        ingest, stranger = ingest_bus(known), gateway_bus(broker.url)
        async with running(ingest, stranger):
            await until(lambda: ingest.traffic().connected)
            await until(lambda: complaint(caplog, "Authorization Violation"))
            assert not stranger.traffic().connected
        assert "s3cret" not in caplog.text
    finally:
        broker.kill()


async def test_a_broker_is_reached_over_tls_with_the_certificates_that_are_trusted(
    nats_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, certificate = self_signed(tmp_path, "127.0.0.1")
    broker = Broker(
        nats_server, tmp_path, "--tls", "--tlscert", str(certificate), "--tlskey", str(key)
    )
    broker.start()
    try:
        known = GatewayBus(
            ("*",),
            model_sha256=MODEL,
            hop_seconds=HOP,
            connect=connecting(broker.url, ca=certificate),
        )
        stranger = gateway_bus(broker.url.replace("nats://", "tls://"))
        async with running(known, stranger):
            await until(lambda: known.traffic().connected)
            await until(lambda: complaint(caplog, "self-signed certificate"))
            assert not stranger.traffic().connected
    finally:
        broker.kill()
