"""The bus: from the lines of the headsets to every subscriber. Pure, no I/O."""

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
    """What a subscription gives of the past.

    Attributes
    ----------
    recovered
        True where exactly the missed predictions are given, false where they cannot be told; None
        where nothing was to be resumed.
    missed
        How many are given.
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
    """Hands each message to the outboxes that follow its headset, encoded once.

    It is used from one thread, the event loop's.

    Parameters
    ----------
    clock
        Tells how old a prediction is; seconds.
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

    def listen(self, heard: Callable[[Prediction | Status], None]) -> None:
        """Have each prediction and state given to a part of this process, before subscribers."""
        self._listeners.append(heard)

    def attach(self, outbox: Outbox, may_read: Callable[[str], bool]) -> None:
        """Know an outbox, and what it may be given; it follows nothing yet."""
        self._followers[outbox] = _Follower(may_read, set(), set())

    def detach(self, outbox: Outbox) -> None:
        """Forget an outbox; what waits in it is dropped."""
        self._followers.pop(outbox, None)
        for index in (self._by_headset, self._by_detail):
            for outboxes in index.values():
                outboxes.pop(outbox, None)

    @property
    def subscribers(self) -> int:
        """How many outboxes are attached."""
        return len(self._followers)

    def subscribe(
        self, outbox: Outbox, names: Iterable[str], resume: Mapping[str, Position] | None = None
    ) -> list[tuple[str, Recovery]]:
        """Follow headsets: of each its state, and what was missed or is newest, come first.

        Parameters
        ----------
        outbox
            An attached one.
        names
            Ids, known or yet to come, or `EVERY_HEADSET`.
        resume
            For headsets among them, the last prediction that the subscriber has.

        Returns
        -------
        What is given of the past: for each headset that is resumed, and for each other name.
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
        """Follow headsets no longer, nor their details; what waits of them is dropped."""
        follower = self._followers[outbox]
        before = [headset for headset in self._known() if follower.follows(headset)]
        follower.headsets.difference_update(headsets)
        follower.details.difference_update(headsets)
        self._index(outbox)
        for headset in before:
            if not follower.follows(headset):
                outbox.drop(headset)

    def want_detail(self, outbox: Outbox, *headsets: str) -> None:
        """Return the `detail` messages of headsets, or of all, as far as they are followed."""
        self._followers[outbox].details.update(headsets)
        self._index(outbox)

    def is_detail_wanted(self, headset: str) -> bool:
        """Return whether anyone would get a `detail` message of a headset."""
        return bool(self._of(self._by_detail, headset))

    def details_wanted(self) -> set[str]:
        """Return the headsets of which anyone wants `detail` messages; `EVERY_HEADSET` for all."""
        return {name for follower in self._followers.values() for name in follower.details}

    def following(self, outbox: Outbox) -> AbstractSet[str]:
        """Return what an outbox is subscribed to."""
        return self._followers[outbox].headsets

    def details(self, outbox: Outbox) -> AbstractSet[str]:
        """Return the headsets of which an outbox wants `detail` messages too."""
        return self._followers[outbox].details

    def last_prediction(self, headset: str) -> Prediction | None:
        """Return the headset's newest prediction, valid or not."""
        return self._predictions.get(headset)

    def forget(self, headset: str) -> None:
        """Drop what is known of a headset that is no longer listed."""
        self._predictions.pop(headset, None)
        self._states.pop(headset, None)
        self._live.pop(headset, None)
        self._present.pop(headset, None)
        self._by_headset.pop(headset, None)
        self._by_detail.pop(headset, None)
        self.history.forget(headset)
        self.events.forget(headset)

    def publish(self, message: Published) -> Frame:
        """Hand the message to every follower of its headset, and return it as it was encoded."""
        if isinstance(message, Prediction | Status):
            for heard in self._listeners:
                heard(message)
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
                    # Its last score is no news, nor is it when the headset is back.
                    self._present.pop(headset, None)
                self.events.heard(message)
            case Baseline(headset=headset):
                frame = Frame("baseline", headset, message)
                self.events.heard(message)
            case Detail(headset=headset):
                frame = Frame("detail", headset, message)
                index = self._by_detail
            case Alarm(headset=headset):
                # Those that are raised are told with the headset's state too.
                frame = Frame("alarm", headset, message)
            case Marker(headset=headset):
                frame = Frame("marker", headset, message)
                self.events.heard(message)
        for outbox in self._of(index, headset):
            outbox.put(frame)
        return frame

    def restore(self, past: Iterable[tuple[float, Prediction]]) -> list[Frame]:
        """Learn what was published before this bus was there: `(age in seconds, prediction)`.

        Oldest first, of one headset. Nobody is told: who subscribes gets the newest.
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
        """Learn what was published while this bus heard nothing; followers get the last minute.

        As for `restore`. It is theirs as it is a returning subscriber's: none gives way to another.
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
        """Return the outboxes for a headset; one never heard of is looked up once."""
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
        """Return the state, and what was missed or the newest: no page begins blank."""
        if (state := self._states.get(headset)) is not None:
            outbox.put(state)
        if missed is not None:
            outbox.recover([frame.as_past() for frame in missed])
        elif (newest := self._present.get(headset)) is not None:
            outbox.put(newest.as_past())
