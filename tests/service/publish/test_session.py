from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.frames import Bell, brief, take_all
from tests.support.messages import detail, prediction, status

from eeg_emotion.access.grants import EVERYTHING, Grant, Scope
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.examples import MESSAGES
from eeg_emotion.publish.messages import Welcome
from eeg_emotion.publish.outbox import CREDITS
from eeg_emotion.publish.requests import MAX_SUBSCRIPTIONS
from eeg_emotion.publish.session import HELLO_SECONDS, STALLED_SECONDS, Session

(WELCOME,) = (message for message in MESSAGES if isinstance(message, Welcome))
SECRET = "eeg_nurse_6f1d0a5b9c3e4287"  # noqa: S105 - it opens nothing
UTC = 1.8e9  # when every session begins


class FakeAccess:
    """Knows one key, and keeps what was noted."""

    def __init__(self) -> None:
        self.grant = Grant("nurse", (Scope.parse("read:ward-*"),))
        self.revoked = False
        self.asked = 0
        self.noted: list[tuple[str, str | None, str | None]] = []
        self.facts: list[dict[str, object]] = []

    def authenticate(self, token: str) -> Grant:
        if token != SECRET:
            raise EegEmotionError("found a key that is not known")
        return self.grant

    def is_valid(self, grant: Grant) -> bool:
        self.asked += 1
        return not self.revoked

    def audit(
        self,
        event: str,
        grant: Grant | None,
        *,
        headset: str | None = None,
        **facts: object,
    ) -> None:
        subject = None if grant is None else grant.subject
        headsets = facts.pop("headsets", ())
        assert isinstance(headsets, list | tuple)
        self.noted.append((event, subject, " ".join(headsets) or headset))
        self.facts.append(facts)


class Talk:
    """A session, and a client that says things and reads."""

    def __init__(self, bus: Bus, clock: FakeClock, grant: Grant | None, *asked: str) -> None:
        self.bus, self.clock, self.access = bus, clock, FakeAccess()
        self.closes: list[tuple[CloseCode, str]] = []
        self.bell = Bell()
        self.begun = clock.now
        self.session = Session(
            bus,
            self.access,
            welcome=self.greet,
            close=lambda code, reason: self.closes.append((code, reason)),
            wake=self.bell,
            clock=clock,
            utc=lambda: UTC + clock.now - self.begun,
            grant=grant,
            asked=asked,
        )

    def greet(self, grant: Grant) -> Welcome:
        return WELCOME.model_copy(update={"subject": grant.subject})

    def say(self, kind: str, **fields: Any) -> Talk:
        self.session.receive(json.dumps({"type": kind, **fields}))
        return self

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(sent.data) for sent in take_all(self.session.outbox)]

    def messages(self) -> list[str]:
        return brief(take_all(self.session.outbox))

    def wait(self, seconds: float) -> Talk:
        """Advance time, with a tick every second."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(self.clock.now + 1.0, end)
            self.session.tick()
        return self

    @property
    def ended(self) -> CloseCode | None:
        assert len(self.closes) <= 1, "closed twice"
        assert self.session.closed == (self.closes[0][0] if self.closes else None)
        return self.session.closed

    @property
    def why(self) -> str:
        ((_, reason),) = self.closes
        return reason


@pytest.fixture
def bus(clock: FakeClock) -> Bus:
    return Bus(clock, clock)


@pytest.fixture
def known(bus: Bus, clock: FakeClock) -> Talk:
    """One who may read everything and was greeted."""
    talk = Talk(bus, clock, EVERYTHING)
    assert talk.messages() == ["welcome"]
    return talk


@pytest.fixture
def stranger(bus: Bus, clock: FakeClock) -> Talk:
    """A client that has to send credentials."""
    return Talk(bus, clock, None)


# The beginning


def test_one_who_is_known_is_greeted_at_once_as_who_one_is(bus: Bus, clock: FakeClock) -> None:
    talk = Talk(bus, clock, EVERYTHING)
    assert talk.bell.rung == 1
    (welcome,) = talk.read()
    assert (welcome["type"], welcome["subject"]) == ("welcome", "anonymous")
    assert talk.access.noted == [("connected", "anonymous", None)]
    assert talk.wait(60).ended is None, "and need not say hello"


def test_a_client_receives_nothing_before_its_token(bus: Bus, stranger: Talk) -> None:
    bus.publish(prediction("ward-1"))
    assert stranger.read() == []
    stranger.say("hello", token=SECRET, subscribe=["ward-1"])
    assert stranger.messages() == ["welcome", "subscribed ward-1", "prediction ward-1 0"]
    assert stranger.access.noted == [
        ("connected", "nurse", None),
        ("subscribed", "nurse", "ward-1"),
    ]


def test_what_the_address_asked_for_is_given_after_the_greeting(bus: Bus, clock: FakeClock) -> None:
    bus.publish(status("a"))
    assert Talk(bus, clock, EVERYTHING, "a", "a", "b").messages() == [
        "welcome", "subscribed a", "subscribed b", "status a",
    ]  # fmt: skip
    late = Talk(bus, clock, None, "a", "ward-1")
    assert late.read() == []
    late.say("hello", token=SECRET)
    assert late.messages() == ["welcome", "refused a", "subscribed ward-1"]


def test_of_an_address_that_asks_for_thousands_the_first_too_many_is_refused(
    bus: Bus, clock: FakeClock
) -> None:
    talk = Talk(bus, clock, EVERYTHING, *(f"h{number}" for number in range(5000)))
    said = talk.read()
    assert [message["type"] for message in said[1:]].count("subscribed") == MAX_SUBSCRIPTIONS
    assert [message["reason"] for message in said if message["type"] == "refused"] == ["too_many"]


@pytest.mark.parametrize("fields", [{}, {"token": None}, {"subscribe": ["ward-1"]}])
def test_an_unauthenticated_clients_hello_without_a_token_ends_it(
    stranger: Talk, fields: dict[str, Any]
) -> None:
    stranger.say("hello", **fields)
    assert stranger.ended is CloseCode.BAD_CREDENTIALS
    assert "no token" in stranger.why
    assert stranger.read() == []
    assert stranger.access.noted == [("refused", None, None)]


def test_a_wrong_token_ends_it_and_is_repeated_nowhere(stranger: Talk) -> None:
    wrong = SECRET[::-1]
    stranger.say("hello", token=wrong)
    assert stranger.ended is CloseCode.BAD_CREDENTIALS
    assert stranger.why == "found a key that is not known"
    assert stranger.read() == []
    assert stranger.access.noted == [("refused", None, None)]
    assert wrong not in repr((stranger.why, stranger.access.facts, vars(stranger.session)))


def test_a_wrong_token_ends_it_where_none_was_asked_for_too(known: Talk) -> None:
    assert known.say("hello", token="wrong").ended is CloseCode.BAD_CREDENTIALS  # noqa: S106


def test_a_right_token_changes_nothing_for_a_known_client(known: Talk) -> None:
    known.say("hello", token=SECRET, subscribe=["elsewhere"])
    assert known.messages() == ["subscribed elsewhere"]


def test_a_second_hello_ends_it(known: Talk, stranger: Talk) -> None:
    known.say("hello").say("hello")
    stranger.say("hello", token=SECRET).say("hello", token=SECRET)
    for talk in (known, stranger):
        assert talk.ended is CloseCode.BAD_MESSAGE
        assert "second 'hello'" in talk.why


@pytest.mark.parametrize(
    "said",
    [
        {"type": "ping"},
        {"type": "subscribe", "headsets": ["ward-1"]},
        {"type": "unsubscribe", "headsets": ["ward-1"]},
        {"type": "ack", "received": 0},
    ],
)
def test_an_unauthenticated_client_must_send_hello_first(
    stranger: Talk, said: dict[str, Any]
) -> None:
    stranger.session.receive(json.dumps(said))
    assert stranger.ended is CloseCode.BAD_MESSAGE
    assert "'hello' with a token" in stranger.why
    assert stranger.read() == []


def test_a_client_that_sends_no_hello_is_closed_after_a_timeout(stranger: Talk) -> None:
    assert stranger.wait(HELLO_SECONDS).ended is None
    assert stranger.wait(0.5).ended is CloseCode.NO_HELLO


def test_a_hello_just_in_time_is_soon_enough(stranger: Talk) -> None:
    stranger.wait(HELLO_SECONDS).say("hello", token=SECRET)
    assert stranger.wait(60).ended is None


# Subscriptions


def test_what_may_not_be_read_is_refused_and_the_rest_given(bus: Bus, stranger: Talk) -> None:
    stranger.say("hello", token=SECRET, subscribe=["ward-1", "lab-1"])
    refused, subscribed = stranger.read()[1:]
    assert (refused["type"], refused["headset"], refused["reason"]) == (
        "refused", "lab-1", "not_allowed",
    )  # fmt: skip
    assert "read:lab-1" in refused["detail"]
    assert (subscribed["type"], subscribed["headset"]) == ("subscribed", "ward-1")
    assert stranger.access.noted[1:] == [
        ("subscribed", "nurse", "ward-1"),
        ("refused", "nurse", "lab-1"),
    ]
    for headset in ("ward-1", "lab-1"):
        bus.publish(prediction(headset))
    assert stranger.messages() == ["prediction ward-1 0"]
    assert stranger.ended is None


def test_every_later_subscription_is_checked_too(bus: Bus, stranger: Talk) -> None:
    stranger.say("hello", token=SECRET)
    stranger.say("subscribe", headsets=["lab-1"], detail=["lab-1"], resume={})
    assert stranger.messages() == ["welcome", "refused lab-1"]
    bus.publish(detail("lab-1"))
    assert stranger.read() == []


def test_the_wildcard_gives_what_the_grant_names(bus: Bus, stranger: Talk) -> None:
    bus.publish(prediction("lab-1"))
    stranger.say(
        "hello", token=SECRET, subscribe=["*"], detail=["*"],
        resume={"lab-1": {"epoch": "e0", "seq": 0}},
    )  # fmt: skip
    assert stranger.messages() == ["welcome", "subscribed *"]
    for headset in ("ward-1", "lab-1", "ward-2"):
        bus.publish(prediction(headset))
        bus.publish(detail(headset))
    assert stranger.messages() == [
        "prediction ward-1 0", "detail ward-1 0", "prediction ward-2 0", "detail ward-2 0",
    ]  # fmt: skip


def test_one_who_may_read_nothing_is_refused_the_wildcard(bus: Bus, clock: FakeClock) -> None:
    talk = Talk(bus, clock, Grant("poller", (Scope.parse("metrics"),)))
    talk.say("subscribe", headsets=["*"])
    assert talk.messages() == ["welcome", "refused *"]


def fill(talk: Talk) -> None:
    talk.say("subscribe", headsets=[f"h{number}" for number in range(MAX_SUBSCRIPTIONS - 1)])
    talk.say("subscribe", headsets=["*"])
    assert talk.messages()[-1] == "subscribed *"


def test_a_257th_subscription_is_refused(bus: Bus, known: Talk) -> None:
    fill(known)
    known.say("subscribe", headsets=["one-more"])
    (refused,) = known.read()
    assert (refused["type"], refused["reason"]) == ("refused", "too_many")
    assert str(MAX_SUBSCRIPTIONS) in refused["detail"]
    assert "one-more" not in bus.following(known.session.outbox)
    assert known.access.noted[-1] == ("refused", "anonymous", "one-more")
    known.say("unsubscribe", headsets=["h0"]).say("subscribe", headsets=["one-more"])
    assert known.messages() == ["subscribed one-more"]


def test_what_is_subscribed_to_already_needs_no_room(known: Talk) -> None:
    fill(known)
    known.say("subscribe", headsets=["h3", "*"], detail=["h3"])
    assert known.messages() == ["subscribed h3", "subscribed *"]


def test_no_more_details_can_be_asked_for_than_subscriptions(bus: Bus, known: Talk) -> None:
    names = [f"h{number}" for number in range(MAX_SUBSCRIPTIONS)]
    known.say("subscribe", headsets=["*"], detail=names)
    known.say("subscribe", headsets=[], detail=["h0", "one-more"])
    answers = known.read()
    assert [(answer["headset"], answer.get("reason")) for answer in answers] == [
        ("*", None), ("one-more", "too_many"),
    ]  # fmt: skip
    assert len(bus.details(known.session.outbox)) == MAX_SUBSCRIPTIONS


def test_details_come_for_clients_that_subscribe(bus: Bus, known: Talk) -> None:
    known.say("subscribe", headsets=["a", "b"], detail=["a"])
    known.read()
    for headset in ("a", "b"):
        bus.publish(detail(headset))
    assert known.messages() == ["detail a 0"]


def test_details_alone_end_where_all_are_followed(bus: Bus, known: Talk) -> None:
    known.say("subscribe", headsets=["*"], detail=["a"])
    known.say("unsubscribe", headsets=["a"])
    known.say("subscribe", headsets=[], detail=["b"])
    known.read()
    for headset in ("a", "b"):
        bus.publish(prediction(headset))
        bus.publish(detail(headset))
    assert known.messages() == ["prediction a 0", "prediction b 0", "detail b 0"]


def test_one_who_unsubscribes_hears_no_more_and_no_answer(bus: Bus, known: Talk) -> None:
    known.say("subscribe", headsets=["a", "b"]).read()
    known.say("unsubscribe", headsets=["a", "never"])
    for headset in ("a", "b"):
        bus.publish(prediction(headset))
    assert known.messages() == ["prediction b 0"]


@pytest.mark.parametrize(
    ("position", "recovered", "missed", "given"),
    [
        (
            {"epoch": "e0", "seq": 1},
            True,
            3,
            ["prediction a 2", "prediction a 3", "prediction a 4"],
        ),
        ({"epoch": "e0", "seq": 4}, True, 0, []),
        ({"epoch": "other", "seq": 4}, False, 0, ["prediction a 4"]),
        (None, None, 0, ["prediction a 4"]),
    ],
)
@pytest.mark.parametrize("kind", ["hello", "subscribe"])
def test_a_returning_client_receives_what_it_missed(
    bus: Bus,
    known: Talk,
    kind: str,
    position: dict[str, Any] | None,
    recovered: bool | None,
    missed: int,
    given: list[str],
) -> None:
    for seq in range(5):
        bus.publish(prediction("a", seq))
    names = {"hello": "subscribe", "subscribe": "headsets"}[kind]
    known.say(kind, **{names: ["a"]}, resume={} if position is None else {"a": position})
    answer, *rest = known.read()
    assert answer == {
        "type": "subscribed", "headset": "a", "recovered": recovered, "missed": missed,
    }  # fmt: skip
    assert [f"{said['type']} a {said['seq']}" for said in rest] == given


# Flow control


def credited(bus: Bus, talk: Talk) -> Talk:
    """Subscribe an acknowledging client to all headsets, and use up its credits."""
    talk.say("hello", acknowledges=True, subscribe=["*"])
    assert talk.messages() == ["subscribed *"]
    for seq in range(CREDITS - 1):
        bus.publish(prediction("a", seq))
        talk.messages()
    return talk


def test_who_acknowledges_is_sent_no_more_than_its_credits(bus: Bus, known: Talk) -> None:
    credited(bus, known)
    for seq in (100, 101):
        bus.publish(prediction("a", seq))
    assert known.messages() == []
    known.say("ack", received=CREDITS)
    assert known.messages() == ["prediction a 101"]


def test_who_does_not_say_that_it_acknowledges_has_no_limit(bus: Bus, known: Talk) -> None:
    known.say("hello", subscribe=["*"]).messages()
    for seq in range(100):
        bus.publish(prediction("a", seq))
        assert known.messages() == [f"prediction a {seq}"]


@pytest.mark.parametrize("received", [CREDITS + 1, 3])
def test_an_acknowledgement_of_too_many_or_backwards_ends_it(
    bus: Bus, known: Talk, received: int
) -> None:
    credited(bus, known).say("ack", received=4).say("ack", received=received)
    assert known.ended is CloseCode.BAD_MESSAGE
    assert f"acknowledgement of {received} " in known.why


def test_who_takes_nothing_is_given_up(bus: Bus, known: Talk) -> None:
    known.say("subscribe", headsets=["*"])
    known.messages()
    known.session.outbox.hold()
    bus.publish(prediction("a", 0))
    assert known.wait(STALLED_SECONDS - 1).ended is None
    assert known.wait(2).ended is CloseCode.SLOW
    assert f"{STALLED_SECONDS:g} s" in known.why


def test_who_acknowledges_nothing_is_given_up_unless_nothing_waits(bus: Bus, known: Talk) -> None:
    credited(bus, known)
    assert known.wait(300).ended is None
    bus.publish(prediction("a", 99))
    assert known.wait(STALLED_SECONDS - 1).ended is None
    assert known.wait(2).ended is CloseCode.SLOW


def test_progress_sets_the_clock_back(bus: Bus, known: Talk) -> None:
    credited(bus, known)
    for received in range(1, 6):
        for seq in (2 * received, 2 * received + 1):
            bus.publish(prediction("b", 100 * received + seq))
            known.messages()
        assert known.session.outbox.blocked
        assert known.wait(STALLED_SECONDS - 2).ended is None
        known.say("ack", received=received)
    for seq in (998, 999):  # the last acknowledgement was worth one
        bus.publish(prediction("b", seq))
        known.messages()
    assert known.wait(STALLED_SECONDS + 1).ended is CloseCode.SLOW


def test_who_pings_but_acknowledges_nothing_is_given_up_too(bus: Bus, known: Talk) -> None:
    credited(bus, known)
    bus.publish(prediction("a", 99))
    for _ in range(int(STALLED_SECONDS) + 1):
        known.say("ping").wait(1)
        known.messages()
    assert known.ended is CloseCode.SLOW


# What is said


def test_a_ping_is_answered(known: Talk) -> None:
    rung = known.bell.rung
    assert known.say("ping").messages() == ["pong"]
    assert known.bell.rung == rung + 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "the message: Input should be"),
        ('"ping"', "the message: Input should be"),
        ("{}", "type"),
        ('{"type":"sing"}', "type: found sing, expected one of 'hello'"),
        ('{"type":"prediction"}', "expected one of 'hello'"),
        ('{"type":"ping","loud":true}', "ping.loud: Extra inputs"),
        ('{"type":"ack"}', "ack.received: Field required"),
        ('{"type":"ack","received":-1}', "ack.received: Input should be greater"),
        ('{"type":"ack","received":NaN}', "ack.received"),
        ('{"type":"subscribe","headsets":"a"}', "subscribe.headsets"),
        ('{"type":"subscribe","headsets":[""]}', "subscribe.headsets.0"),
        ('{"type":"subscribe","headsets":["' + "a" * 201 + '"]}', "subscribe.headsets.0"),
        ('{"type":"subscribe","headsets":[' + "0," * 256 + '"a"]}', "subscribe.headsets"),
        ('{"type":"hello","resume":{"a":{"epoch":"e"}}}', "hello.resume.a.seq"),
        ('{"type":"hello","resume":{"a":{"epoch":"e","seq":-1}}}', "hello.resume.a.seq"),
        ('{"type":"hello","subscribe":["\\ud800"]}', "JSON"),
    ],
)
def test_what_is_no_message_of_the_protocol_ends_it_and_says_why(
    known: Talk, text: str, words: str
) -> None:
    known.session.receive(text)
    assert known.ended is CloseCode.BAD_MESSAGE
    assert words in known.why


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f'"{SECRET}"',
        f'{{"type":"{SECRET}"}}',
        f'{{"{SECRET}":1}}',
        f'{{"type":"hello","{SECRET}":1}}',
        f'{{"type":"hello","tokn":"{SECRET}"}}',
        f'{{"type":"hello","token":["{SECRET}"]}}',
        f'{{"type":"hello","token":"{SECRET}","acknowledges":"perhaps"}}',
        f'{{"type":"hello","token":"{SECRET}"',
        f'{{"type":"hello","resume":{{"{SECRET}":{{}}}}}}',
        f'{{"type":"hello","acknowledges":"{SECRET}"}}',
        f'{{"type":"ack","received":"{SECRET}"}}',
    ],
)
def test_a_token_in_the_wrong_place_is_repeated_nowhere(stranger: Talk, text: str) -> None:
    stranger.session.receive(text)
    assert stranger.ended is CloseCode.BAD_MESSAGE
    assert SECRET not in repr((stranger.why, stranger.access.facts, vars(stranger.session)))


def test_messages_after_the_end_are_ignored(bus: Bus, known: Talk) -> None:
    known.say("nonsense").say("subscribe", headsets=["a"]).say("nonsense").say("ping")
    assert known.ended is CloseCode.BAD_MESSAGE
    assert known.read() == []
    assert bus.following(known.session.outbox) == set()


# How much may be said


AT_ONCE = 20


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ping", {}),
        ("subscribe", {"headsets": ["a"]}),
        ("unsubscribe", {"headsets": ["a"]}),
        ("ack", {"received": 0}),
    ],
)
def test_more_messages_than_may_come_at_once_end_it(
    known: Talk, kind: str, fields: dict[str, Any]
) -> None:
    for _ in range(AT_ONCE):
        known.say(kind, **fields)
    assert known.ended is None
    known.say(kind, **fields)
    assert known.ended is CloseCode.TOO_MANY_MESSAGES


def test_hellos_and_what_is_no_message_count_too(known: Talk) -> None:
    for _ in range(AT_ONCE):
        known.say("ping")
    known.session.receive("nonsense")
    assert known.ended is CloseCode.TOO_MANY_MESSAGES


def test_five_messages_a_second_may_continue(known: Talk) -> None:
    for _ in range(100):
        for _ in range(5):
            known.say("ping")
        known.wait(1)
    assert known.ended is None


def test_acknowledgements_that_bring_news_are_not_counted(bus: Bus, known: Talk) -> None:
    known.say("hello", acknowledges=True, subscribe=["*"])
    for seq in range(200):
        bus.publish(prediction("a", seq))
        known.messages()
        known.say("ack", received=seq + 1)
    for _ in range(AT_ONCE - 1):
        known.say("ping")
    assert known.ended is None


def test_a_flood_of_requests_whose_answers_are_not_taken_is_ended(known: Talk) -> None:
    known.session.outbox.hold()
    waiting = 0
    while known.ended is None:
        assert waiting == known.session.outbox.unanswered
        known.say("subscribe", headsets=[f"h{number}" for number in range(MAX_SUBSCRIPTIONS)])
        known.wait(0.5)
        waiting += MAX_SUBSCRIPTIONS
        assert waiting < 2000
    assert known.ended is CloseCode.TOO_MANY_MESSAGES
    assert "answers" in known.why


# The end


def test_a_grant_that_expires_ends_it(bus: Bus, clock: FakeClock) -> None:
    talk = Talk(bus, clock, Grant("visitor", EVERYTHING.scopes, expires=UTC + 20))
    assert talk.wait(19).ended is None
    assert talk.wait(1).ended is CloseCode.CREDENTIALS_EXPIRED
    assert "expired" in talk.why
    assert talk.access.noted[-1] == ("credentials expired", "visitor", None)


def test_a_grant_that_no_longer_holds_ends_it_within_seconds(stranger: Talk) -> None:
    stranger.say("hello", token=SECRET)
    assert stranger.wait(100).ended is None
    stranger.access.revoked = True
    assert stranger.wait(6).ended is CloseCode.BAD_CREDENTIALS
    assert "no longer valid" in stranger.why
    assert stranger.access.noted[-1] == ("credentials revoked", "nurse", None)


def test_whether_a_grant_stands_is_not_asked_each_second(known: Talk) -> None:
    known.wait(100)
    assert known.access.asked == 20


def test_a_client_receives_going_away_and_further_messages_until_the_end(
    bus: Bus, known: Talk
) -> None:
    known.say("subscribe", headsets=["a"]).read()
    known.session.leave(1234)
    assert known.read() == [{"type": "going_away", "reconnect_after_ms": 1234}]
    bus.publish(prediction("a"))
    assert known.messages() == ["prediction a 0"]
    known.session.end(CloseCode.SHUTDOWN, "shutdown")
    assert (known.ended, known.why) == (CloseCode.SHUTDOWN, "shutdown")


def test_an_unauthenticated_client_does_not_receive_going_away(stranger: Talk) -> None:
    stranger.session.leave(1234)
    assert stranger.read() == []


def test_a_client_that_says_hello_when_the_service_stops_receives_going_away_after_the_welcome(
    bus: Bus, stranger: Talk
) -> None:
    stranger.session.leave(1234)
    stranger.say("hello", token=SECRET, subscribe=["ward-1"])
    assert "going_away" in [message["type"] for message in stranger.read()]


def test_it_ends_once_and_for_the_first_reason(known: Talk) -> None:
    known.session.end(CloseCode.SHUTDOWN, "shutdown")
    known.session.end(CloseCode.SLOW, "slow")
    known.session.leave(1)
    known.access.revoked = True
    known.wait(100)
    assert (known.ended, known.why) == (CloseCode.SHUTDOWN, "shutdown")
    assert known.read() == []


def test_one_that_is_gone_leaves_nothing_on_the_bus(bus: Bus, known: Talk, stranger: Talk) -> None:
    known.say("subscribe", headsets=["*"])
    known.messages()
    assert bus.subscribers == 1, "a stranger is none yet"
    for talk in (known, stranger):
        talk.session.detach()
    bus.publish(prediction())
    assert bus.subscribers == 0
    assert known.read() == []


@pytest.mark.parametrize("code", CloseCode)
def test_a_close_code_says_whether_to_connect_again(code: CloseCode) -> None:
    again: Callable[[CloseCode], bool] = {
        CloseCode.SHUTDOWN, CloseCode.CREDENTIALS_EXPIRED, CloseCode.SLOW,
        CloseCode.TOO_MANY_MESSAGES,
    }.__contains__  # fmt: skip
    assert code.again == again(code)


def test_an_audit_line_is_for_a_request_and_not_for_each_of_its_names(stranger: Talk) -> None:
    names = [f"ward-{number}" for number in range(100)] + [f"lab-{number}" for number in range(100)]
    stranger.say("hello", token=SECRET, subscribe=names, detail=["ward-1"])
    connected, subscribed, refused = zip(stranger.access.noted, stranger.access.facts, strict=True)
    assert connected[0] == ("connected", "nurse", None)
    assert subscribed[0] == ("subscribed", "nurse", " ".join(names[:100]))
    assert subscribed[1] == {"details": ["ward-1"]}
    assert refused == (("refused", "nurse", " ".join(names[100:])), {"why": "not_allowed"})


def test_who_says_no_hello_is_noted(stranger: Talk) -> None:
    stranger.wait(HELLO_SECONDS + 1)
    assert stranger.access.noted == [("refused", None, None)]
    assert stranger.access.facts == [{"why": "no hello"}]


def test_frames_that_are_no_message_count_as_messages_do(known: Talk) -> None:
    for _ in range(20):
        known.session.count()
    assert known.ended is None
    known.session.count()
    assert known.ended is CloseCode.TOO_MANY_MESSAGES
    known.session.count()
