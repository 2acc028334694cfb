"""What a gateway knows of the headsets that others read. Pure: fed with packets and the time.

A broker hands on what comes while it is there, in each ingest's order, and keeps nothing. So the
mirror holds each prediction against the position of the one before it, and each ingest's roll
against what came: where something lacks it asks the ingest, which keeps ten minutes, and holds back
what is newer until the answer is there. What cannot be had any more is marked as a hole, which a
returning subscriber is told as `recovered: false`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from eeg_emotion.cluster.packets import (
    HistoryFound,
    HistoryWanted,
    Question,
    Roll,
    StatesFound,
    StatesWanted,
)
from eeg_emotion.codes import State
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.bus import Bus, Published
from eeg_emotion.publish.history import MOST_KEPT, Position
from eeg_emotion.publish.messages import Headset, Prediction, Quality, Status

logger = get_logger(__name__)

AWAY_SECONDS = 5.0
"""Without a roll before an ingest is taken for gone: more than two are missed then."""

_ROLLS_SECONDS = 2.0  # within which each ingest has called its roll
_FORGET_SECONDS = 600.0  # as a lost headset is, where it is read

Place = tuple[str, str]
"""A site, and an ingest there."""


@dataclass(slots=True)
class _Ingest:
    place: Place
    run: str
    heard: float
    headsets: set[str] = field(default_factory=set)
    refused: str | None = None
    away: bool = False

    def __str__(self) -> str:
        site, name = self.place
        return f"the ingest {name!r} of the site {site!r}"


@dataclass(slots=True)
class _Line:
    """One headset."""

    owner: _Ingest
    newest: Position | None = None
    is_new: bool = False
    """Whether its ingest has said that it has made no prediction yet."""
    waiting: deque[Prediction] | None = None
    """What came while older ones are asked for; None while nothing is."""
    restoring: bool = False
    """Whether what is asked for was before this gateway heard of the headset."""
    status: Status | None = None
    """As its ingest told it."""
    claimed: _Ingest | None = None
    """Another ingest that has a headset of this id."""


class Mirror:
    """The headsets of some sites, and the bus that local subscribers follow.

    Parameters
    ----------
    bus
        Where messages go.
    model_sha256, hop_seconds
        Of this gateway's model: predictions of another are not what subscribers are told they are.
    ask
        Called with what an ingest is to be asked; `answered` takes the answer.
    clock
        Judges silence; seconds.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        model_sha256: str,
        hop_seconds: float,
        ask: Callable[[Place, Question], None],
        clock: Callable[[], float],
    ) -> None:
        self._bus = bus
        self._model = model_sha256, hop_seconds
        self._ask = ask
        self._clock = clock
        self._ingests: dict[Place, _Ingest] = {}
        self._lines: dict[str, _Line] = {}
        self._shown: dict[str, Headset] = {}
        self._reached: float | None = None
        """Since when the broker is there."""
        self.holes = 0
        """How often predictions were missed and could not be had any more."""
        self.refetched = 0
        """Predictions that were missed, and asked for."""

    # What endpoints ask

    @property
    def source(self) -> Literal["lsl", "broker"]:
        """Where headsets are heard of."""
        return "broker"

    @property
    def following(self) -> bool:
        """Return whether the broker is there, and what its ingests keep has been asked for.

        So whoever is sent here can be given what they missed elsewhere.
        """
        return (
            self._reached is not None
            and self._clock() - self._reached >= _ROLLS_SECONDS
            and all(line.waiting is None or line.newest for line in self._lines.values())
        )

    def headsets(self) -> tuple[Headset, ...]:
        """Describe all headsets, by id."""
        return tuple(self._shown[identifier] for identifier in sorted(self._shown))

    def headset(self, identifier: str) -> Headset | None:
        """Describe one headset."""
        return self._shown.get(identifier)

    def quality(self, identifier: str) -> Quality | None:
        """Tell nothing: its ingest knows, and is asked."""
        return None

    def owner(self, identifier: str) -> Place | None:
        """Return the ingest that reads a headset and is there."""
        line = self._lines.get(identifier)
        return None if line is None or line.owner.away else line.owner.place

    def ingests(self) -> tuple[Place, ...]:
        """Return the ingests that are there."""
        return tuple(place for place, ingest in self._ingests.items() if not ingest.away)

    # What comes

    def roll(self, roll: Roll) -> None:
        """Take what an ingest says it follows."""
        place = roll.site, roll.ingest
        ingest = self._ingests.get(place)
        is_news = ingest is None or ingest.away or ingest.run != roll.run
        if ingest is None:
            ingest = self._ingests[place] = _Ingest(place, roll.run, self._clock())
        if is_news:
            logger.info("ingest found", site=roll.site, ingest=roll.ingest)
        ingest.run, ingest.heard, ingest.away = roll.run, self._clock(), False
        refused = self._unfit(ingest, roll)
        if refused is not None and ingest.refused is None:
            logger.warning("ingest refused", why=refused)
        is_news |= refused != ingest.refused
        ingest.refused = refused
        for identifier in ingest.headsets - roll.headsets.keys():
            self._leave(identifier, ingest)
        ingest.headsets = set(roll.headsets)
        for identifier, known in roll.headsets.items():
            position = None if known is None else Position(*known)
            self._take(identifier, ingest, position)
        if is_news:
            self._ask(place, StatesWanted())

    def message(self, message: Published) -> None:
        """Take a headset's message."""
        identifier = message.headset.id if isinstance(message, Status) else message.headset
        line = self._lines.get(identifier)
        if line is None:
            return  # its ingest's roll is on its way, and says what is to be asked for
        if isinstance(message, Status):
            line.status = message
            self._show(line)
        elif self._why_withheld(line) is not None:
            return
        elif isinstance(message, Prediction):
            self._prediction(line, message)
        else:
            self._bus.publish(message)

    def answered(self, question: Question, answer: HistoryFound | StatesFound | None) -> None:
        """Take the answer to a question; None where there is none."""
        if isinstance(answer, StatesFound):
            for status in answer.statuses:
                self.message(status)
        elif isinstance(question, HistoryWanted):
            line = self._lines.get(question.headset)
            if line is not None and line.waiting is not None:
                self._learn(question, line, answer)

    def tick(self, connected: bool) -> None:
        """Look at the time; to be called about once a second."""
        now = self._clock()
        if not connected:
            self._reached = None
        elif self._reached is None:
            self._reached = now
        for ingest in list(self._ingests.values()):
            silent = now - ingest.heard
            if silent > _FORGET_SECONDS:
                del self._ingests[ingest.place]
                for identifier in ingest.headsets:
                    self._leave(identifier, ingest)
            elif silent > AWAY_SECONDS and not ingest.away:
                ingest.away = True
                logger.warning("ingest away", site=ingest.place[0], ingest=ingest.place[1])
                for identifier in ingest.headsets:
                    if (line := self._lines.get(identifier)) and line.owner is ingest:
                        self._show(line)

    # Whose a headset is, and what is shown of it

    def _unfit(self, ingest: _Ingest, roll: Roll) -> str | None:
        found = roll.model_sha256, roll.hop_seconds
        if found == self._model:
            return None
        return (
            f"found the model {found[0][:12]} every {found[1]:g} s at {ingest}, expected this "
            f"gateway's own, {self._model[0][:12]} every {self._model[1]:g} s: run both with one "
            "--model and one --hop-seconds, or another gateway for that site"
        )

    def _take(self, identifier: str, ingest: _Ingest, position: Position | None) -> None:
        line = self._lines.get(identifier)
        if line is None:
            line = self._lines[identifier] = _Line(ingest)
        elif line.owner is not ingest:
            if not line.owner.away and identifier in line.owner.headsets:
                if line.claimed is not ingest:
                    line.claimed = ingest
                    logger.warning("headset of two ingests", headset=identifier)
                    self._show(line)
                return
            line.owner, line.claimed, line.status = ingest, None, None
        elif line.claimed is not None and identifier not in line.claimed.headsets:
            line.claimed = None
            self._show(line)
        line.is_new = position is None and line.newest is None
        if self._why_withheld(line) is None and position is not None:
            newest = line.newest
            same = newest is not None and newest.epoch == position.epoch
            if line.waiting is None and not (same and newest and newest.seq >= position.seq):
                self._catch_up(identifier, line)

    def _leave(self, identifier: str, ingest: _Ingest) -> None:
        line = self._lines.get(identifier)
        if line is None:
            return
        if line.claimed is ingest:
            line.claimed = None
            self._show(line)
        elif line.owner is ingest:
            del self._lines[identifier]
            self._shown.pop(identifier, None)
            self._bus.forget(identifier)

    def _why_withheld(self, line: _Line) -> str | None:
        if line.claimed is not None:
            return (
                f"found a headset of this id at {line.owner} and at {line.claimed}, expected one; "
                "which of them is meant cannot be known: stop one, or give them distinct source ids"
            )
        return line.owner.refused

    def _show(self, line: _Line) -> None:
        """Tell a headset's state: its ingest's word, unless more is known here."""
        if line.status is None:
            return
        headset = line.status.headset
        if (why := self._why_withheld(line)) is not None:
            headset = headset.model_copy(update={"state": State.QUARANTINED, "detail": why})
        elif line.owner.away:
            reach = (
                f"{line.owner} is heard" if self._reached is not None else "the broker is reached"
            )
            why = f"nothing is known of it until {reach} again"
            headset = headset.model_copy(update={"state": State.LOST, "detail": why})
        self._shown[headset.id] = headset
        self._bus.publish(Status(headset=headset))

    # Predictions without holes

    def _prediction(self, line: _Line, prediction: Prediction) -> None:
        newest = line.newest
        if line.waiting is not None:
            line.waiting.append(prediction)
        elif newest is None and line.is_new and prediction.seq == 0:
            self._deliver(line, prediction)
        elif newest is not None and prediction.epoch == newest.epoch:
            if prediction.seq == newest.seq + 1:
                self._deliver(line, prediction)
            elif prediction.seq > newest.seq:
                self._catch_up(prediction.headset, line, prediction)
        else:
            self._catch_up(prediction.headset, line, prediction)

    def _deliver(self, line: _Line, prediction: Prediction) -> None:
        line.newest = _position(prediction)
        self._bus.publish(prediction)

    def _catch_up(self, identifier: str, line: _Line, *came: Prediction) -> None:
        line.waiting = deque(came, maxlen=MOST_KEPT)
        self._ask(line.owner.place, HistoryWanted.after(identifier, line.newest))

    def _learn(
        self, question: HistoryWanted, line: _Line, answer: HistoryFound | StatesFound | None
    ) -> None:
        identifier = question.headset
        if not isinstance(answer, HistoryFound):
            self._lack(identifier)
            self._go_on(line, trusting=True)
            return
        if not answer.found:
            # An ingest that was started anew, or one that was asked too late.
            self._lack(identifier)
            line.newest = None
            self._ask(line.owner.place, HistoryWanted(headset=identifier))
            return
        line.restoring |= question.position is None
        if not line.restoring and not answer.predictions:
            # It has been asked because there are some.
            self._lack(identifier)
            self._go_on(line, trusting=True)
            return
        if line.restoring:
            self._restore(line, answer)
        else:
            self.refetched += len(answer.predictions)
            self._bus.recover(list(zip(answer.ages, answer.predictions, strict=True)))
            line.newest = _position(answer.predictions[-1])
        if answer.more:
            self._ask(line.owner.place, HistoryWanted.after(identifier, line.newest))
        else:
            self._go_on(line, trusting=line.restoring)

    def _restore(self, line: _Line, answer: HistoryFound) -> None:
        """Take what was before this gateway heard of the headset: no news, unlike what waits."""
        waiting = {(item.epoch, item.seq) for item in line.waiting or ()}
        past = [
            (age, item)
            for age, item in zip(answer.ages, answer.predictions, strict=True)
            if (item.epoch, item.seq) not in waiting
        ]
        self._bus.restore(past)
        if past:
            line.newest = _position(past[-1][1])

    def _lack(self, identifier: str) -> None:
        self.holes += 1
        self._bus.history.cut(identifier)

    def _go_on(self, line: _Line, *, trusting: bool) -> None:
        """Take what waited; trusting, the first of it is taken though one before it may lack."""
        waiting, line.waiting, line.restoring = line.waiting or (), None, False
        for prediction in waiting:
            newest = line.newest
            if newest is not None and newest.epoch == prediction.epoch:
                if prediction.seq <= newest.seq:
                    continue
                trusting &= newest.seq + 1 != prediction.seq
            if trusting:
                self._deliver(line, prediction)
                trusting = False
            else:
                self._prediction(line, prediction)


def _position(prediction: Prediction) -> Position:
    return Position(prediction.epoch, prediction.seq)
