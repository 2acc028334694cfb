"""What holds for any bus, whether it ends with the process or goes through a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest
from tests.support.broker import Broker, gateway_bus, ingest_bus, running
from tests.support.frames import Bell, brief, take_all
from tests.support.messages import baseline, detail, prediction, status
from tests.support.waiting import until

from eeg_emotion.codes import State
from eeg_emotion.publish.bus import Bus, Published, Recovery
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Detail
from eeg_emotion.publish.outbox import Outbox


@dataclass
class Ends:
    """Where messages are published, and where they are followed."""

    publisher: Bus
    subscriber: Bus

    async def publish(self, *messages: Published) -> None:
        """Publish one after the other, each when the one before has come."""
        probe = Outbox(Bell())
        self.subscriber.attach(probe, lambda headset: True)
        self.subscriber.subscribe(probe, ["*"])
        if any(isinstance(message, Detail) for message in messages):  # else they would be wanted
            self.subscriber.want_detail(probe, "*")
        for message in messages:
            take_all(probe)
            data = self.publisher.publish(message).data
            await until(partial(_has_come, probe, data))
        self.subscriber.detach(probe)

    def join(self, *names: str, resume: dict[str, Position] | None = None) -> Outbox:
        outbox = Outbox(Bell())
        self.subscriber.attach(outbox, lambda headset: True)
        self.recoveries = self.subscriber.subscribe(outbox, names, resume)
        return outbox


def _has_come(outbox: Outbox, data: bytes) -> bool:
    return data in [frame.data for frame in take_all(outbox)]


def predictions(outbox: Outbox) -> list[Frame]:
    return [frame for frame in take_all(outbox) if frame.kind == "prediction"]


@pytest.fixture(params=["memory", "nats"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    if request.param == "memory":
        bus = Bus()
        yield Ends(bus, bus)
        return
    broker: Broker = request.getfixturevalue("broker")
    publisher, subscriber = ingest_bus(broker.url), gateway_bus(broker.url)
    async with running(publisher, subscriber):
        await until(lambda: publisher.traffic().connected and subscriber.traffic().connected)
        await until(lambda: subscriber.mirror.ingests())
        yield Ends(publisher, subscriber)


async def test_a_follower_gets_each_message_as_it_was_published(ends: Ends) -> None:
    outbox = ends.join("a")
    await ends.publish(status(), prediction(seq=0), baseline(), prediction(seq=1))
    frames = take_all(outbox)
    assert brief(frames)[-2:] == ["baseline a", "prediction a 1"]
    newest = frames[-1]
    assert (newest.epoch, newest.seq) == ("e0", 1)
    assert newest.data == prediction(seq=1).encode().encode()


async def test_who_follows_another_gets_nothing(ends: Ends) -> None:
    outbox = ends.join("b")
    await ends.publish(status("a"), prediction("a"))
    assert take_all(outbox) == []


async def test_a_position_is_resumed_from_where_it_was(ends: Ends) -> None:
    await ends.publish(status(), *(prediction(seq=seq) for seq in range(5)))
    outbox = ends.join("a", resume={"a": Position("e0", 1)})
    assert ends.recoveries == [("a", Recovery(recovered=True, missed=3))]
    assert brief(predictions(outbox)) == [f"prediction a {seq}" for seq in (2, 3, 4)]


async def test_for_an_unknown_position_recovered_is_false_and_the_newest_is_sent(
    ends: Ends,
) -> None:
    await ends.publish(status(), prediction(seq=0), prediction(seq=1))
    outbox = ends.join("a", resume={"a": Position("other", 7)})
    assert ends.recoveries == [("a", Recovery(recovered=False))]
    assert brief(take_all(outbox)) == ["status a", "prediction a 1"]


async def test_a_headset_that_reconnects_is_resumed_across_its_epochs(ends: Ends) -> None:
    await ends.publish(
        status(), prediction(seq=0), prediction(seq=1), prediction(seq=0, epoch="e1")
    )
    outbox = ends.join("a", resume={"a": Position("e0", 0)})
    assert ends.recoveries == [("a", Recovery(recovered=True, missed=2))]
    assert [(f.epoch, f.seq) for f in predictions(outbox)] == [("e0", 1), ("e1", 0)]


async def test_the_latest_is_known(ends: Ends) -> None:
    await ends.publish(status(), prediction(seq=0), prediction(seq=1))
    assert ends.subscriber.last_prediction("a") == prediction(seq=1)
    assert brief(ends.subscriber.states().values()) == ["status a"]
    await ends.publish(status(state=State.LOST))
    outbox = ends.join("*")
    assert brief(take_all(outbox)) == ["status a"], "an old score is no news"


async def test_details_are_made_while_somebody_looks(ends: Ends) -> None:
    await ends.publish(status("a"), status("b"))
    assert not ends.publisher.is_detail_wanted("a")
    outbox = ends.join("a")
    ends.subscriber.want_detail(outbox, "a")
    await until(lambda: ends.publisher.is_detail_wanted("a"))
    assert not ends.publisher.is_detail_wanted("b")
    take_all(outbox)
    await ends.publish(detail("a"))
    assert brief(take_all(outbox)) == ["detail a 0"]


async def test_a_headset_that_is_forgotten_is_forgotten_everywhere(ends: Ends) -> None:
    await ends.publish(status("a"), prediction("a"), status("b"))
    ends.publisher.forget("a")
    await until(lambda: ends.subscriber.states().keys() == {"b"})
    assert ends.subscriber.last_prediction("a") is None
