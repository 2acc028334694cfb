"""The inbox: each prediction once, in order, and an acknowledgement of no more than was taken."""

from __future__ import annotations

from collections.abc import Callable

from eeg_emotion.client.inbox import Inbox, Message, Reconnected
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Pong, Prediction, Refused, Subscribed

Predict = Callable[..., Prediction]


def answer(name: str = "*", recovered: bool | None = None, missed: int = 0) -> Subscribed:
    return Subscribed(headset=name, recovered=recovered, missed=missed)


def everything(inbox: Inbox) -> list[Message]:
    taken = []
    while (message := inbox.take()) is not None:
        taken.append(message)
    return taken


def begun(*names: str, why: str | None = None, inbox: Inbox | None = None) -> Inbox:
    inbox = inbox or Inbox()
    inbox.begin(names or ("*",), why)
    return inbox


def test_messages_are_taken_in_order_and_once(prediction: Predict) -> None:
    inbox = begun()
    inbox.add(answer())
    messages = [prediction("a", 4), prediction("b", 1), prediction("a", 5)]
    for message in messages:
        inbox.add(message)
    assert everything(inbox) == messages
    assert inbox.take() is None
    assert inbox.positions == {"a": Position("e0", 5), "b": Position("e0", 1)}


def test_duplicates_and_older_ones_are_not_given(prediction: Predict) -> None:
    inbox = begun()
    inbox.add(answer())
    for seq in (3, 3, 2, 5, 4, 6):
        inbox.add(prediction("a", seq))
    inbox.add(prediction("a", 0, epoch="e1"))
    assert [(m.epoch, m.seq) for m in everything(inbox) if isinstance(m, Prediction)] == [
        ("e0", 3),
        ("e0", 5),
        ("e0", 6),
        ("e1", 0),
    ]


def test_what_is_dealt_with_is_what_was_taken_and_what_no_consumer_takes(
    prediction: Predict,
) -> None:
    inbox = begun()
    inbox.add(answer())
    assert inbox.dealt == 1
    inbox.add(prediction("a", 0))
    inbox.add(Pong())
    inbox.add(None)
    inbox.add(prediction("a", 1))
    inbox.add(prediction("a", 1))
    assert inbox.dealt == 1
    inbox.take()
    assert inbox.dealt == 4
    inbox.take()
    assert inbox.dealt == 6


def test_a_reconnection_is_announced_before_what_came_with_it(prediction: Predict) -> None:
    inbox = begun()
    inbox.add(answer())
    inbox.add(prediction("a", 0))
    inbox.add(prediction("b", 0))
    everything(inbox)
    begun("a", "*", why="cut", inbox=inbox)
    inbox.add(answer("a", recovered=True, missed=1))
    inbox.add(prediction("a", 1))
    assert inbox.take() is None
    assert inbox.dealt == 1
    inbox.add(answer("*"))
    assert inbox.dealt == 1
    # `b` was not answered, so some of it may be missing.
    assert inbox.take() == Reconnected({"a": True, "b": False}, "cut")
    assert inbox.dealt == 1
    assert inbox.take() == prediction("a", 1)
    assert inbox.dealt == 3


def test_a_refused_headset_is_not_recovered(prediction: Predict) -> None:
    inbox = begun("a", why="cut")
    inbox.add(Refused(headset="a", reason="not_allowed", detail=""))
    assert inbox.take() == Reconnected({"a": False}, "cut")


def test_a_connection_that_ends_before_it_is_answered_leaves_no_trace(prediction: Predict) -> None:
    inbox = begun()
    inbox.add(answer())
    inbox.add(prediction("a", 0))
    everything(inbox)
    begun("a", "*", why="first", inbox=inbox)
    inbox.add(answer("a", recovered=True, missed=2))
    inbox.add(prediction("a", 1))
    begun("a", "*", why="second", inbox=inbox)
    assert inbox.positions == {"a": Position("e0", 0)}
    inbox.add(answer("a", recovered=True, missed=2))
    inbox.add(answer("*"))
    inbox.add(prediction("a", 1))
    assert everything(inbox) == [Reconnected({"a": True}, "second"), prediction("a", 1)]
