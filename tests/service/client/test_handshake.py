"""The first messages: none too long, and every position where the service goes on from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import examples
from tests.support.service import Service

from eeg_emotion.access.grants import EVERYTHING, Grant
from eeg_emotion.api.wire import LARGEST_CLIENT_MESSAGE
from eeg_emotion.client.handshake import LARGEST_MESSAGE, make_opening
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Prediction, Subscribed
from eeg_emotion.publish.requests import REQUESTS, Hello, Subscribe
from eeg_emotion.publish.session import Session

Names = st.lists(st.text(min_size=1, max_size=200).filter(lambda name: name != "*"), unique=True)


def requests(texts: Iterable[str]) -> tuple[Hello, list[Subscribe]]:
    hello, *others = [REQUESTS.validate_json(text) for text in texts]
    assert isinstance(hello, Hello)
    subscribes = [other for other in others if isinstance(other, Subscribe)]
    assert len(subscribes) == len(others)
    return hello, subscribes


def test_one_message_is_enough_for_a_few() -> None:
    positions = {"a": Position("e", 7), "b": Position("f", 0)}
    opening = make_opening("secret", ["*", "*"], ["a"], positions)
    assert len(opening.texts) == 1
    hello, _ = requests(opening.texts)
    assert hello.token is not None
    assert hello.token.get_secret_value() == "secret"
    assert hello.acknowledges
    assert (hello.subscribe, hello.detail) == (("*",), ("a",))
    assert {name: (at.epoch, at.seq) for name, at in hello.resume.items()} == {
        "a": ("e", 7),
        "b": ("f", 0),
    }
    assert opening.names == {"*"}


def test_without_a_token_none_is_sent() -> None:
    hello, _ = requests(make_opening(None, ["a"], [], {}).texts)
    assert hello.token is None


def test_the_largest_message_is_what_the_service_takes() -> None:
    assert LARGEST_MESSAGE == LARGEST_CLIENT_MESSAGE


@examples(50)
@given(names=Names, detail=Names, every=st.booleans(), token=st.text(max_size=1500))
def test_no_message_is_too_long_and_nothing_is_asked_twice_or_forgotten(
    names: list[str], detail: list[str], every: bool, token: str
) -> None:
    names, detail = names[:250], detail[:250]
    positions = {name: Position("0123456789abcdef", 123456) for name in [*names, "other"]}
    opening = make_opening(token, [*names, "*"] if every else names, detail, positions)
    assert max(len(text.encode()) for text in opening.texts) <= LARGEST_MESSAGE
    hello, subscribes = requests(opening.texts)
    asked = [*hello.subscribe, *(name for said in subscribes for name in said.headsets)]
    assert sorted(asked) == sorted([*names, *(["*"] if every else [])])
    assert opening.names == set(asked)
    assert {*hello.detail, *(name for said in subscribes for name in said.detail)} == set(detail)
    for said_names, resumed in [
        (hello.subscribe, hello.resume),
        *((said.headsets, said.resume) for said in subscribes),
    ]:
        assert set(resumed) - set(said_names) <= ({"other"} if "*" in said_names else set())
    resumes = [*hello.resume, *(name for said in subscribes for name in said.resume)]
    assert set(resumes) == set(names) | ({"other"} if every else set())


class Open:
    def authenticate(self, token: str) -> Grant:
        return EVERYTHING

    def is_valid(self, grant: Grant) -> bool:
        return True

    def audit(self, event: str, grant: Grant | None, **facts: object) -> None:
        assert event in {"connected", "subscribed"}


@pytest.mark.parametrize("count", [40, 280])
def test_the_service_goes_on_with_every_headset(
    service: Service, prediction: Callable[..., Prediction], count: int
) -> None:
    bus, epoch = Bus(), "0123456789abcdef"
    names = [f"headset-{number:03}" for number in range(count)]
    for seq in (0, 1):
        for name in names:
            bus.publish(prediction(name, seq, epoch=epoch))
    session = Session(
        bus,
        Open(),
        welcome=service.welcome,
        close=lambda code, why: pytest.fail(f"{code} {why}"),
        wake=lambda: None,
        clock=lambda: 0.0,
        utc=lambda: 0.0,
        grant=None,
    )
    positions = {name: Position(epoch, 0) for name in names}
    for text in make_opening("a token", ["*"], ["*"], positions).texts:
        session.receive(text)
    answers = [
        Subscribed.model_validate_json(frame.data)
        for frames in iter(session.outbox.take, [])
        for frame in frames
        if frame.name == "subscribed"
    ]
    assert {answer.headset: (answer.recovered, answer.missed) for answer in answers} == {
        "*": (None, 0)
    } | dict.fromkeys(names, (True, 1))
