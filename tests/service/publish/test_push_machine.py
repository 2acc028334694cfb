"""Bus and outbox under whatever can happen, held against a model of what was promised."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.examples import examples

from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.history import RESUME_SECONDS, Position
from eeg_emotion.publish.messages import Latency, Prediction, Score, WindowSpan
from eeg_emotion.publish.outbox import CREDITS, Outbox

HEADSETS = ("a", "b", "c")
ALLOWANCE = 60
Place = tuple[str, int]


def prediction(headset: str, epoch: str, seq: int) -> Prediction:
    score = Score(probability=0.5, label="unsure")
    return Prediction(
        headset=headset, epoch=epoch, seq=seq, window=WindowSpan(start=0.0, end=5.0),
        arousal=score, valence=score, valid=True, reasons=(), quality=1.0,
        latency_ms=Latency(resampler=0, filter=0, arrival=0, path=0, inference=0, total=0),
        model="m 1",
    )  # fmt: skip


@dataclass
class Client:
    """A subscriber that keeps what it got over all its connections."""

    credited: bool
    outbox: Outbox | None = None
    received: int = 0
    acknowledged: int = 0
    allowance: int = 0
    got: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    here: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    expected: dict[str, list[Place]] = field(default_factory=dict)

    def position(self, headset: str) -> Position | None:
        return Position(*self.got[headset][-1]) if self.got[headset] else None


class Push(RuleBasedStateMachine):
    """Headsets that publish and reconnect, and subscribers of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.bus = Bus(clock=lambda: self.now, utc=lambda: self.now)
        self.log: dict[str, list[tuple[float, Place]]] = {name: [] for name in HEADSETS}
        self.epochs = dict.fromkeys(HEADSETS, 0)
        self.seqs = dict.fromkeys(HEADSETS, 0)
        self.clients = [Client(credited=True), Client(credited=True), Client(credited=False)]

    @rule(headset=st.sampled_from(HEADSETS), count=st.integers(1, 50))
    def publish(self, headset: str, count: int) -> None:
        for _ in range(count):
            place = f"e{self.epochs[headset]}", self.seqs[headset]
            self.bus.publish(prediction(headset, *place))
            self.log[headset].append((self.now, place))
            self.seqs[headset] += 1

    @rule(headset=st.sampled_from(HEADSETS), number=st.integers(0, 2), count=st.integers(1, 50))
    def follow(self, headset: str, number: int, count: int) -> None:
        """One takes each prediction as it comes, and acknowledges none."""
        for _ in range(count):
            self.publish(headset, 1)
            self.take(number)

    @rule(headset=st.sampled_from(HEADSETS))
    def reconnect_headset(self, headset: str) -> None:
        self.epochs[headset] += 1
        self.seqs[headset] = 0

    @rule(seconds=st.sampled_from([0.5, 5.0, 31.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=st.integers(0, 2), every=st.booleans())
    def connect(self, number: int, every: bool) -> None:
        client = self.clients[number]
        if client.outbox is not None:
            return
        client.outbox = outbox = Outbox(lambda: None)
        client.here.clear()
        client.received = client.acknowledged = client.allowance = 0
        self.bus.attach(outbox, lambda headset: True)
        if client.credited:
            outbox.use_credits()
        resume = {
            name: position for name in HEADSETS if (position := client.position(name)) is not None
        }
        given = dict(self.bus.subscribe(outbox, ["*"] if every else HEADSETS, resume))
        client.expected = {}
        for name, position in resume.items():
            after = self._after(name, (position.epoch, position.seq))
            oldest_known = not after or self.now - after[0][0] <= RESUME_SECONDS
            # Exactly what was missed, or an honest no: never a part, and never a no for nothing.
            assert given[name].recovered is oldest_known
            if given[name].recovered:
                assert given[name].missed == len(after)
                client.expected[name] = [place for _, place in after]
                client.allowance += min(len(after), ALLOWANCE)

    @rule(number=st.integers(0, 2), lost=st.integers(0, 5))
    def cut(self, number: int, lost: int) -> None:
        """The connection breaks; the last frames that were written never arrive."""
        client = self.clients[number]
        if client.outbox is None:
            return
        frames = client.outbox.take()
        self._receive(client, frames[: max(0, len(frames) - lost)])
        self.bus.detach(client.outbox)
        client.outbox = None

    @rule(number=st.integers(0, 2))
    def take(self, number: int) -> None:
        client = self.clients[number]
        if client.outbox is not None:
            self._receive(client, client.outbox.take())

    @rule(number=st.integers(0, 1), part=st.floats(0, 1))
    def acknowledge(self, number: int, part: float) -> None:
        client = self.clients[number]
        if client.outbox is not None:
            client.acknowledged += int((client.received - client.acknowledged) * part)
            client.outbox.acknowledge(client.acknowledged)

    @rule(number=st.integers(0, 2))
    def hold(self, number: int) -> None:
        if (outbox := self.clients[number].outbox) is not None:
            outbox.hold()
            assert outbox.take() == []

    @rule(number=st.integers(0, 2))
    def release(self, number: int) -> None:
        if (outbox := self.clients[number].outbox) is not None:
            outbox.release()

    @precondition(lambda self: any(client.outbox for client in self.clients))
    @rule(number=st.integers(0, 2))
    def wake(self, number: int) -> None:
        """A client that takes and acknowledges everything gets the newest state."""
        client = self.clients[number]
        if client.outbox is None:
            return
        client.outbox.release()
        while True:
            if client.credited:
                client.acknowledged = client.received
                client.outbox.acknowledge(client.acknowledged)
            if not (frames := client.outbox.take()):
                break
            self._receive(client, frames)
        for name in HEADSETS:
            if self.log[name]:
                assert client.here[name][-1:] in ([self.log[name][-1][1]], [])
                assert client.got[name][-1] == self.log[name][-1][1]

    @invariant()
    def credits_bound_what_is_on_its_way(self) -> None:
        for client in self.clients:
            if client.outbox is not None and client.credited:
                flying = client.outbox.sent - client.acknowledged
                assert flying <= CREDITS + client.allowance

    def _after(self, headset: str, place: Place) -> list[tuple[float, Place]]:
        places = [found for _, found in self.log[headset]]
        return self.log[headset][places.index(place) + 1 :]

    def _receive(self, client: Client, frames: list[Frame]) -> None:
        for frame in frames:
            client.received += 1
            message = json.loads(frame.data)
            name, place = message["headset"], (message["epoch"], message["seq"])
            order = [found for _, found in self.log[name]]
            if client.got[name]:
                # Never again, never an older one: not even over many connections.
                assert order.index(place) > order.index(client.got[name][-1])
            if expected := client.expected.get(name):
                assert place == expected.pop(0)
            client.got[name].append(place)
            client.here[name].append(place)


Push.TestCase.settings = settings(examples(150), stateful_step_count=60)
TestPush = Push.TestCase
