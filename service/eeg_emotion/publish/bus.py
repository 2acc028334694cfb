"""The bus: from the headsets' pipelines to every subscriber. Pure, no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.events import Events
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.history import RESUME_SECONDS, History, Position
from eeg_emotion.publish.messages import Baseline, Detail, Marker, Prediction, Status
from eeg_emotion.publish.outbox import Outbox
from eeg_emotion.publish.requests import EVERY_HEADSET

Published = Prediction | Status | Baseline | Detail | Alarm | Marker


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a subscription recovers of the past.

    Attributes
    ----------
    recovered
        True if exactly the missed predictions follow, False if they are not available; None if
        nothing was to be resumed.
    missed
        How many missed predictions follow.
    """

    recovered: bool | None
    missed: int = 0


@dataclass(slots=True)
class _Follower:
    """Which headsets one outbox follows."""

    may_read: Callable[[str], bool]
    headsets: set[str]
    details: set[str]

    def follows(self, headset: str) -> bool:
        chosen = headset in self.headsets or EVERY_HEADSET in self.headsets
        return chosen and self.may_read(headset)

    def follows_detail(self, headset: str) -> bool:
        chosen = headset in self.details or EVERY_HEADSET in self.details
        return chosen and self.follows(headset)


class Bus:
    """Passes each message to the outboxes that follow its headset, encoded once.

    Use it only from the event loop's thread.

    Parameters
    ----------
    clock
        Monotonic seconds; for the age of predictions.
    utc
        Dates events; Unix seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, utc: Callable[[], float] = time.time
    ) -> None:
        self.history = History(clock)
        self.events = Events(utc)
        self._followers: dict[Outbox, _Follower] = {}
        self._by_headset: dict[str, dict[Outbox, None]] = {}
        self._by_detail: dict[str, dict[Outbox, None]] = {}
        self._predictions: dict[str, Prediction] = {}
        self._states: dict[str, Frame] = {}
        self._live: dict[str, bool] = {}
        self._present: dict[str, Frame] = {}
        self._listeners: list[Callable[[Prediction | Status], None]] = []

    def listen(self, listener: Callable[[Prediction | Status], None]) -> None:
        """Call a function with each prediction and state, before subscribers receive it."""
        self._listeners.append(listener)

    def attach(self, outbox: Outbox, may_read: Callable[[str], bool]) -> None:
        """Add an outbox, with the headsets it may read; it follows nothing yet."""
        self._followers[outbox] = _Follower(may_read, set(), set())

    def detach(self, outbox: Outbox) -> None:
        """Remove an outbox; its pending messages are dropped."""
        self._followers.pop(outbox, None)
        for index in (self._by_headset, self._by_detail):
            for outboxes in index.values():
                outboxes.pop(outbox, None)

    @property
    def subscribers(self) -> int:
        """The number of attached outboxes."""
        return len(self._followers)

    def subscribe(
        self, outbox: Outbox, names: Iterable[str], resume: Mapping[str, Position] | None = None
    ) -> list[tuple[str, Recovery]]:
        """Follow headsets; the state of each and its missed or newest predictions come first.

        Parameters
        ----------
        outbox
            An attached one.
        names
            Ids, known or not yet known, or `EVERY_HEADSET`.
        resume
            For headsets among them, the position of the subscriber's last prediction.

        Returns
        -------
        What is recovered, for each headset that is resumed and for each other name.
        """
        follower = self._followers[outbox]
        before = {headset for headset in self._known() if follower.follows(headset)}
        names = list(names)
        follower.headsets.update(names)
        self._index(outbox)
        recoveries: dict[str, Recovery] = {}
        missed: dict[str, list[Frame]] = {}
        for headset, position in (resume or {}).items():
            if headset in before or not follower.follows(headset):
                continue
            found = self.history.missed(headset, position)
            recoveries[headset] = Recovery(found is not None, len(found or ()))
            if found is not None:
                missed[headset] = found
        for headset in sorted(self._known() - before):
            if follower.follows(headset):
                self._give_present(outbox, headset, missed.get(headset))
        nothing = Recovery(None)
        recoveries |= {name: nothing for name in names if name not in recoveries}
        return list(recoveries.items())

    def unsubscribe(self, outbox: Outbox, *headsets: str) -> None:
        """Stop following headsets and their details; their pending messages are dropped."""
        follower = self._followers[outbox]
        before = [headset for headset in self._known() if follower.follows(headset)]
        follower.headsets.difference_update(headsets)
        follower.details.difference_update(headsets)
        self._index(outbox)
        for headset in before:
            if not follower.follows(headset):
                outbox.drop(headset)

    def want_detail(self, outbox: Outbox, *headsets: str) -> None:
        """Subscribe to the `detail` messages of headsets, or of all, if they are followed."""
        self._followers[outbox].details.update(headsets)
        self._index(outbox)

    def is_detail_wanted(self, headset: str) -> bool:
        """Return whether anyone subscribes to a headset's `detail` messages."""
        return bool(self._of(self._by_detail, headset))

    def details_wanted(self) -> set[str]:
        """Return the headsets whose `detail` messages are wanted; `EVERY_HEADSET` for all."""
        return {name for follower in self._followers.values() for name in follower.details}

    def following(self, outbox: Outbox) -> AbstractSet[str]:
        """Return what an outbox is subscribed to."""
        return self._followers[outbox].headsets

    def details(self, outbox: Outbox) -> AbstractSet[str]:
        """Return the headsets whose `detail` messages an outbox is subscribed to."""
        return self._followers[outbox].details

    def last_prediction(self, headset: str) -> Prediction | None:
        """Return the headset's newest prediction, valid or not."""
        return self._predictions.get(headset)

    def forget(self, headset: str) -> None:
        """Forget a headset that is no longer listed."""
        self._predictions.pop(headset, None)
        self._states.pop(headset, None)
        self._live.pop(headset, None)
        self._present.pop(headset, None)
        self._by_headset.pop(headset, None)
        self._by_detail.pop(headset, None)
        self.history.forget(headset)
        self.events.forget(headset)

    def publish(self, message: Published) -> Frame:
        """Pass a message to every follower of its headset, and return its encoded frame."""
        if isinstance(message, Prediction | Status):
            for listener in self._listeners:
                listener(message)
        index = self._by_headset
        match message:
            case Prediction(headset=headset):
                frame = Frame("prediction", headset, message)
                self._predictions[headset] = message
                self.history.add(frame)
                if self._live.get(headset, True):
                    self._present[headset] = frame
            case Status():
                headset = message.headset.id
                frame = self._states[headset] = Frame("status", headset, message)
                self._live[headset] = message.headset.state is State.LIVE
                if not self._live[headset]:
                    # Its last score is outdated, and stays so when the headset is back.
                    self._present.pop(headset, None)
                self.events.on_message(message)
            case Baseline(headset=headset):
                frame = Frame("baseline", headset, message)
                self.events.on_message(message)
            case Detail(headset=headset):
                frame = Frame("detail", headset, message)
                index = self._by_detail
            case Alarm(headset=headset):
                # Raised alarms are also part of the headset's state.
                frame = Frame("alarm", headset, message)
            case Marker(headset=headset):
                frame = Frame("marker", headset, message)
                self.events.on_message(message)
        for outbox in self._of(index, headset):
            outbox.put(frame)
        return frame

    def restore(self, past: Iterable[tuple[float, Prediction]]) -> list[Frame]:
        """Add predictions from before this bus existed, as `(age in seconds, prediction)`.

        Oldest first, of one headset. They are not sent; new subscribers get the newest one.
        """
        frames = []
        for age, prediction in past:
            frame = Frame("prediction", prediction.headset, prediction)
            self._predictions[prediction.headset] = prediction
            self.history.add(frame, age)
            if self._live.get(prediction.headset, True):
                self._present[prediction.headset] = frame
            frames.append(frame)
        return frames

    def recover(self, past: Sequence[tuple[float, Prediction]]) -> None:
        """Add predictions that this bus missed, and send those of the last minute to followers.

        Arguments as for `restore`. Like those for a returning subscriber, none are conflated.
        """
        frames = self.restore(past)
        recent = [
            frame.as_past()
            for (age, _), frame in zip(past, frames, strict=True)
            if age <= RESUME_SECONDS
        ]
        if recent:
            for outbox in self._of(self._by_headset, recent[0].headset):
                outbox.recover(recent)

    def states(self) -> dict[str, Frame]:
        """Return the newest state of each headset."""
        return dict(self._states)

    def _known(self) -> set[str]:
        return self._states.keys() | self._predictions.keys() | self._by_headset.keys()

    def _of(self, index: dict[str, dict[Outbox, None]], headset: str) -> dict[Outbox, None]:
        """Return the outboxes that follow a headset; an unknown one is indexed once."""
        found = index.get(headset)
        if found is None:
            self._by_headset[headset], self._by_detail[headset] = {}, {}
            for outbox in self._followers:
                self._index_one(outbox, headset)
            found = index[headset]
        return found

    def _index(self, outbox: Outbox) -> None:
        for headset in self._by_headset:
            self._index_one(outbox, headset)

    def _index_one(self, outbox: Outbox, headset: str) -> None:
        follower = self._followers[outbox]
        for index, wanted in (
            (self._by_headset, follower.follows(headset)),
            (self._by_detail, follower.follows_detail(headset)),
        ):
            if wanted:
                index[headset][outbox] = None
            else:
                index[headset].pop(outbox, None)

    def _give_present(self, outbox: Outbox, headset: str, missed: list[Frame] | None) -> None:
        """Send the state, and the missed or the newest predictions: no page starts blank."""
        if (state := self._states.get(headset)) is not None:
            outbox.put(state)
        if missed is not None:
            outbox.recover([frame.as_past() for frame in missed])
        elif (newest := self._present.get(headset)) is not None:
            outbox.put(newest.as_past())
