"""What a gateway does with messages that arrive, and that do not; without a broker."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.frames import Bell, brief, take_all
from tests.support.messages import prediction, status

from eeg_emotion.cluster.mirror import AWAY_SECONDS, Mirror
from eeg_emotion.cluster.packets import (
    Announcement,
    HistoryFound,
    HistoryWanted,
    NoticesFound,
    NoticesWanted,
    Place,
    Question,
    StatesFound,
    StatesWanted,
)
from eeg_emotion.codes import State
from eeg_emotion.publish.bus import Bus, Published, Recovery
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Marker
from eeg_emotion.publish.outbox import Outbox


def _marker(number: int) -> Marker:
    return Marker(headset="a", time=1e9 + number, text=str(number), ratings=None)


def _notices(*numbers: int) -> NoticesFound:
    return NoticesFound(notices=tuple((number, _marker(number)) for number in numbers))


class RecordingBus(Bus):
    """A bus that keeps the texts of markers, of which an outbox only keeps the newest."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, clock)
        self.markers: list[str] = []

    def publish(self, message: Published) -> Frame:
        if isinstance(message, Marker):
            self.markers.append(message.text)
        return super().publish(message)


class Gateway:
    """A mirror, whose questions a test answers."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.bus = RecordingBus(clock)
        self.asked: list[tuple[Place, Question]] = []
        self.mirror = Mirror(
            self.bus,
            model_sha256="m",
            hop_seconds=1.0,
            ask=lambda place, question: self.asked.append((place, question)),
            clock=clock,
        )
        self.outbox = Outbox(Bell())
        self.bus.attach(self.outbox, lambda headset: True)
        self.bus.subscribe(self.outbox, ["*"])

    def announce(
        self,
        *,
        ingest: str = "i1",
        run: str = "r1",
        model: str = "m",
        notices: int = 0,
        **headsets: Any,
    ) -> None:
        self.mirror.on_announcement(
            Announcement(
                site="here",
                ingest=ingest,
                run=run,
                model_sha256=model,
                hop_seconds=1.0,
                headsets=headsets,
                notices=notices,
            )
        )

    def questions(self) -> list[Question]:
        found = [question for _, question in self.asked]
        self.asked.clear()
        return found

    def answer(
        self, question: Question, *seqs: int, found: bool = True, more: bool = False
    ) -> None:
        self.mirror.on_answer(
            question,
            HistoryFound(
                found=found,
                predictions=tuple(prediction(seq=seq) for seq in seqs),
                ages=tuple(float(len(seqs) - at) for at in range(len(seqs))),
                more=more,
            ),
        )

    def marker(self, number: int, run: str = "r1") -> None:
        self.mirror.on_message(_marker(number), Position(run, number))

    def received(self) -> list[str]:
        return brief(take_all(self.outbox))

    def resumed(self, epoch: str, seq: int) -> Recovery:
        outbox = Outbox(Bell())
        self.bus.attach(outbox, lambda headset: True)
        ((_, recovery),) = self.bus.subscribe(outbox, ["a"], {"a": Position(epoch, seq)})
        return recovery


@pytest.fixture
def gateway(clock: FakeClock) -> Gateway:
    return Gateway(clock)


@pytest.fixture
def following(gateway: Gateway) -> Gateway:
    """A gateway that has received the headset from its first prediction on."""
    gateway.announce(a=None)
    gateway.questions()
    gateway.mirror.on_message(status())
    gateway.mirror.on_message(prediction(seq=0))
    assert gateway.questions() == []
    assert gateway.received() == ["status a", "prediction a 0"]
    return gateway


def test_an_ingest_that_is_news_is_asked_for_states_and_for_what_was(gateway: Gateway) -> None:
    gateway.announce(a=("e0", 2))
    assert gateway.asked == [
        (("here", "i1"), HistoryWanted(headset="a")),
        (("here", "i1"), StatesWanted()),
    ]
    history, states = gateway.questions()
    gateway.mirror.on_answer(states, StatesFound(statuses=(status(),)))
    gateway.answer(history, 0, 1, 2)
    assert gateway.received() == ["status a"], "the past is sent only on request"
    assert gateway.bus.last_prediction("a") == prediction(seq=2)
    assert gateway.resumed("e0", 0) == Recovery(recovered=True, missed=2)
    gateway.announce(a=("e0", 2))
    assert gateway.questions() == []


def test_what_comes_while_the_past_is_asked_for_is_news_and_the_past_is_not(
    gateway: Gateway,
) -> None:
    gateway.announce(a=("e0", 1))
    history, _ = gateway.questions()
    gateway.mirror.on_message(prediction(seq=2))
    gateway.answer(history, 0, 1, 2)
    assert gateway.received() == ["prediction a 2"]
    assert gateway.resumed("e0", 0) == Recovery(recovered=True, missed=2)
    assert gateway.mirror.refetched == 0


def test_a_long_past_comes_in_parts_and_is_no_news(gateway: Gateway) -> None:
    gateway.announce(a=("e0", 3))
    history, _ = gateway.questions()
    gateway.answer(history, 0, 1, more=True)
    (history,) = gateway.questions()
    assert history == HistoryWanted(headset="a", epoch="e0", seq=1)
    gateway.answer(history, 2, 3)
    assert gateway.received() == []
    assert gateway.resumed("e0", 0) == Recovery(recovered=True, missed=3)
    gateway.mirror.on_message(prediction(seq=4))
    assert gateway.questions() == []
    assert gateway.received() == ["prediction a 4"]


def test_messages_of_a_headset_that_is_on_no_roll_yet_wait_for_it(gateway: Gateway) -> None:
    gateway.mirror.on_message(status())
    gateway.mirror.on_message(prediction())
    assert gateway.received() == []
    assert gateway.questions() == []


def test_consecutive_predictions_pass_and_repeated_ones_do_not(following: Gateway) -> None:
    for seq in (1, 2, 2, 1):
        following.mirror.on_message(prediction(seq=seq))
    assert following.questions() == []
    assert following.received() == ["prediction a 2"], "the outbox keeps the newest unsent one"
    assert following.resumed("e0", 0) == Recovery(recovered=True, missed=2)


def test_a_gap_is_recovered_in_order_before_what_came_after_it(following: Gateway) -> None:
    following.mirror.on_message(prediction(seq=3))
    following.mirror.on_message(prediction(seq=4))
    assert following.received() == [], (
        "nothing newer is published before the missing ones are known"
    )
    (question,) = following.questions()
    assert question == HistoryWanted(headset="a", epoch="e0", seq=0)
    following.answer(question, 1, 2, 3)  # it was asked before the fourth was made
    assert following.received() == [f"prediction a {seq}" for seq in (1, 2, 3, 4)]
    assert following.resumed("e0", 0) == Recovery(recovered=True, missed=4)
    assert following.mirror.refetched == 3


def test_of_a_long_hole_followers_get_the_last_minute(following: Gateway) -> None:
    following.mirror.on_message(prediction(seq=101))
    (question,) = following.questions()
    following.answer(question, *range(1, 102))
    assert following.received() == [f"prediction a {seq}" for seq in range(42, 102)]
    assert len(following.bus.history.frames("a")) == 102


def test_a_long_answer_comes_in_parts(following: Gateway) -> None:
    following.mirror.on_message(prediction(seq=5))
    (question,) = following.questions()
    following.answer(question, 1, 2, more=True)
    (question,) = following.questions()
    assert question == HistoryWanted(headset="a", epoch="e0", seq=2)
    following.answer(question, 3, 4, 5)
    assert following.resumed("e0", 0) == Recovery(recovered=True, missed=5)


def test_the_last_that_was_lost_is_seen_by_the_roll(following: Gateway) -> None:
    following.announce(a=("e0", 1))
    (question,) = following.questions()
    following.answer(question, 1)
    assert following.received() == ["prediction a 1"]


def test_a_new_epoch_is_asked_for_since_the_end_of_the_last_may_lack(following: Gateway) -> None:
    following.mirror.on_message(prediction(seq=0, epoch="e1"))
    (question,) = following.questions()
    last, first = prediction(seq=1), prediction(seq=0, epoch="e1")
    answer = HistoryFound(found=True, predictions=(last, first), ages=(2.0, 1.0), more=False)
    following.mirror.on_answer(question, answer)
    assert following.resumed("e0", 0) == Recovery(recovered=True, missed=2)


def test_an_ingest_that_restarts_leaves_a_hole_that_is_reported(following: Gateway) -> None:
    following.announce(run="r2", a=("e1", 0))
    history, states = following.questions()
    assert isinstance(states, StatesWanted)
    following.answer(history, found=False)
    (history,) = following.questions()
    assert history == HistoryWanted(headset="a")
    new = prediction(seq=0, epoch="e1")
    following.mirror.on_answer(
        history, HistoryFound(found=True, predictions=(new,), ages=(0.0,), more=False)
    )
    assert following.mirror.holes == 1
    assert following.resumed("e0", 0) == Recovery(recovered=False)
    assert following.resumed("e1", 0) == Recovery(recovered=True)
    following.mirror.on_message(prediction(seq=1, epoch="e1"))
    assert following.questions() == []


def test_without_an_answer_it_goes_on_and_says_that_some_lack(following: Gateway) -> None:
    following.mirror.on_message(prediction(seq=3))
    (question,) = following.questions()
    following.mirror.on_answer(question, None)
    assert following.received() == ["prediction a 3"]
    assert following.mirror.holes == 1
    assert following.resumed("e0", 0) == Recovery(recovered=False)
    assert following.resumed("e0", 3) == Recovery(recovered=True)


def test_an_answer_without_what_was_asked_for_does_not_ask_forever(following: Gateway) -> None:
    following.mirror.on_message(prediction(seq=3))
    (question,) = following.questions()
    following.answer(question)
    assert following.questions() == []
    assert following.received() == ["prediction a 3"]
    assert following.resumed("e0", 0) == Recovery(recovered=False)


def texts(gateway: Gateway) -> list[str]:
    """Return the texts of the markers that were published since the last call."""
    published, gateway.bus.markers = gateway.bus.markers, []
    return published


def test_markers_in_order_pass_and_repeated_ones_do_not(following: Gateway) -> None:
    for number in (1, 2, 2, 3):
        following.marker(number)
    assert texts(following) == ["1", "2", "3"]
    assert following.questions() == []


def test_a_missed_marker_is_requested_and_those_after_it_wait(following: Gateway) -> None:
    following.marker(1)
    following.marker(3)
    (question,) = following.questions()
    assert question == NoticesWanted(run="r1", after=1)
    following.marker(4)
    assert following.questions() == [], "it is asked once"
    assert texts(following) == ["1"]
    following.mirror.on_answer(question, _notices(2, 3))
    (question,) = following.questions()
    assert question == NoticesWanted(run="r1", after=3)
    following.mirror.on_answer(question, _notices(4))
    following.marker(5)
    assert texts(following) == ["2", "3", "4", "5"]
    assert following.mirror.holes == 0


def test_the_last_marker_that_was_missed_is_seen_by_the_announcement(following: Gateway) -> None:
    following.announce(a=("e0", 0), notices=1)
    (question,) = following.questions()
    following.mirror.on_answer(question, None)
    assert following.questions() == [], "not at once"
    following.announce(a=("e0", 0), notices=1)
    (question,) = following.questions()
    following.mirror.on_answer(question, _notices(1))
    assert texts(following) == ["1"]


def test_markers_that_the_ingest_no_longer_keeps_are_counted(following: Gateway) -> None:
    following.announce(a=("e0", 0), notices=9)
    (question,) = following.questions()
    following.mirror.on_answer(question, _notices(8, 9))
    assert texts(following) == ["8", "9"]
    assert following.mirror.holes == 1
    following.announce(a=("e0", 0), notices=11)
    (question,) = following.questions()
    following.mirror.on_answer(question, _notices())
    assert following.questions() == [], "it does not ask forever"
    assert following.mirror.holes == 2


def test_markers_before_the_gateway_knew_the_ingest_are_no_news(gateway: Gateway) -> None:
    gateway.marker(6)
    gateway.announce(a=None, notices=7)
    assert gateway.questions() == [StatesWanted()]
    gateway.marker(8)
    assert texts(gateway) == ["8"]


def test_markers_of_a_new_run_are_requested_from_its_first(following: Gateway) -> None:
    following.announce(a=("e0", 0), notices=5)
    (old,) = following.questions()
    following.announce(run="r2", a=("e0", 0), notices=2)
    new, _ = following.questions()
    assert new == NoticesWanted(run="r2", after=0)
    following.mirror.on_answer(old, _notices(5))
    following.mirror.on_answer(new, _notices(1, 2))
    assert texts(following) == ["1", "2"]


def test_markers_of_an_outage_of_any_length_are_requested(
    following: Gateway, clock: FakeClock
) -> None:
    following.marker(1)
    clock.now += 3600
    following.mirror.tick(connected=False)
    assert following.mirror.headset("a") is None
    following.announce(a=("e0", 0), notices=2)
    question = next(asked for asked in following.questions() if isinstance(asked, NoticesWanted))
    following.mirror.on_answer(question, _notices(2))
    assert texts(following) == ["1", "2"]


def test_headsets_of_a_silent_ingest_are_lost_until_it_sends_again(
    following: Gateway, clock: FakeClock
) -> None:
    following.mirror.tick(connected=True)
    clock.now += AWAY_SECONDS
    following.mirror.tick(connected=True)
    assert following.received() == []
    clock.now += 0.1
    following.mirror.tick(connected=True)
    assert following.received() == ["status a"]
    (shown,) = following.mirror.headsets()
    assert shown.state is State.LOST
    assert "until the ingest 'i1' of the site 'here' is back" in shown.detail
    assert following.mirror.owner("a") is None
    following.mirror.tick(connected=True)
    assert following.received() == [], "it is published once"

    following.announce(a=("e0", 0))
    (states,) = following.questions()
    following.mirror.on_answer(states, StatesFound(statuses=(status(),)))
    assert following.mirror.headset("a") == status().headset
    assert following.mirror.owner("a") == ("here", "i1")


def test_without_the_broker_it_is_the_broker_that_is_named(
    following: Gateway, clock: FakeClock
) -> None:
    clock.now += AWAY_SECONDS + 0.1
    following.mirror.tick(connected=False)
    (shown,) = following.mirror.headsets()
    assert "until the broker is back" in shown.detail
    assert not following.mirror.following


def test_it_is_ready_once_what_ingests_keep_is_known(gateway: Gateway, clock: FakeClock) -> None:
    mirror = gateway.mirror
    mirror.tick(connected=True)
    assert not mirror.following, "no ingest has had the time to call its roll"
    clock.now += 2
    assert mirror.following
    gateway.announce(a=("e0", 2))
    assert not mirror.following, "a client that resumes here now could not get what it missed"
    history, _ = gateway.questions()
    gateway.answer(history, 0, 1, 2)
    assert mirror.following
    mirror.tick(connected=False)
    assert not mirror.following
    mirror.tick(connected=True)
    clock.now += 1.9
    assert not mirror.following
    clock.now += 0.1
    assert mirror.following


def test_an_ingest_that_stays_away_is_forgotten_with_its_headsets(
    following: Gateway, clock: FakeClock
) -> None:
    clock.now += 599
    following.mirror.tick(connected=True)
    assert following.mirror.headset("a") is not None
    clock.now += 2
    following.mirror.tick(connected=True)
    assert following.mirror.headsets() == ()
    assert following.bus.last_prediction("a") is None


def test_another_model_is_not_served_as_this_one(gateway: Gateway) -> None:
    gateway.announce(model="other", a=("e0", 0))
    (states,) = gateway.questions()
    gateway.mirror.on_answer(states, StatesFound(statuses=(status(),)))
    gateway.mirror.on_message(prediction())
    (shown,) = gateway.mirror.headsets()
    assert shown.state is State.QUARANTINED
    assert "found the model other every 1 s at the ingest 'i1'" in shown.detail
    assert gateway.bus.last_prediction("a") is None

    gateway.announce(a=("e0", 0))  # it was restarted with the right one
    history, states = gateway.questions()
    gateway.mirror.on_answer(states, StatesFound(statuses=(status(),)))
    gateway.answer(history, 0)
    assert gateway.mirror.headset("a") == status().headset
    assert gateway.bus.last_prediction("a") == prediction()


def test_one_id_at_two_ingests_is_quarantined_until_one_leaves(following: Gateway) -> None:
    following.announce(ingest="i2", a=("f0", 0))
    following.questions()
    (shown,) = following.mirror.headsets()
    assert shown.state is State.QUARANTINED
    assert "at the ingest 'i1' of the site 'here' and at the ingest 'i2'" in shown.detail
    following.received()
    following.mirror.on_message(prediction(seq=1))
    assert following.received() == []
    following.announce(ingest="i2")
    assert following.mirror.headset("a") == status().headset
    following.announce(a=("e0", 1))
    (question,) = following.questions()
    following.answer(question, 1)
    assert following.bus.last_prediction("a") == prediction(seq=1)


def test_a_headset_may_move_to_another_ingest_once_it_has_left_the_first(
    following: Gateway,
) -> None:
    following.announce()
    assert following.mirror.headsets() == ()
    following.announce(ingest="i2", a=("f0", 0))
    assert following.mirror.owner("a") == ("here", "i2")


def test_a_headset_of_an_ingest_that_is_away_may_be_read_by_another(
    following: Gateway, clock: FakeClock
) -> None:
    clock.now += AWAY_SECONDS + 1
    following.mirror.tick(connected=True)
    following.announce(ingest="i2", a=("f0", 0))
    assert following.mirror.owner("a") == ("here", "i2")
    history, states = following.questions()
    following.mirror.on_answer(states, StatesFound(statuses=(status(),)))
    assert following.mirror.headset("a") == status().headset
    following.answer(history, found=False)
    assert following.resumed("e0", 0) == Recovery(recovered=False)
