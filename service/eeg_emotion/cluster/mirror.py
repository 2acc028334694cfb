"""What a gateway knows of headsets that are read elsewhere. Pure: fed with packets and the time.

A broker passes messages on while it is connected, in each ingest's order, and stores nothing. So
the mirror compares each prediction with the position of the previous one, and each ingest's
announcement with what has arrived. If something is missing, it asks the ingest, which keeps ten
minutes, and holds back newer predictions until the answer arrives. What is no longer available is
marked as a hole, which a returning subscriber sees as `recovered: false`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from eeg_emotion.cluster.notices import Notices
from eeg_emotion.cluster.packets import (
    Announcement,
    Answer,
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
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.bus import Bus, Published
from eeg_emotion.publish.history import MOST_KEPT, Position
from eeg_emotion.publish.messages import Headset, Prediction, Quality, Status

logger = get_logger(__name__)

AWAY_SECONDS = 5.0
"""Without an announcement before an ingest counts as away: more than two are missed then."""

_ANNOUNCED_SECONDS = 2.0  # within which each ingest has announced itself
_FORGET_SECONDS = 600.0  # as for a lost headset where it is read


@dataclass(slots=True)
class _Ingest:
    place: Place
    run: str
    last_seen: float
    headsets: set[str] = field(default_factory=set)
    refused: str | None = None
    away: bool = False

    def __str__(self) -> str:
        site, name = self.place
        return f"the ingest {name!r} of the site {site!r}"


@dataclass(slots=True)
class _Followed:
    """One headset that is followed."""

    owner: _Ingest
    newest: Position | None = None
    is_new: bool = False
    """Whether its ingest has said that it has made no prediction yet."""
    waiting: deque[Prediction] | None = None
    """Predictions that arrived while older ones are requested; None if none are requested."""
    restoring: bool = False
    """Whether the requested ones are from before this gateway knew the headset."""
    status: Status | None = None
    """As published by its ingest."""
    claimed: _Ingest | None = None
    """Another ingest that has a headset with this id."""


class Mirror:
    """The headsets of some sites, and the bus that local subscribers follow.

    Parameters
    ----------
    bus
        Receives the messages.
    model_sha256, hop_seconds
        Of this gateway's model: predictions of another model would contradict the model card.
    ask
        Called with a question for an ingest; its answer is passed to `on_answer`.
    clock
        Seconds; used to detect silence.
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
        self._followed: dict[str, _Followed] = {}
        self._shown: dict[str, Headset] = {}
        self._notices = Notices(self._notice, ask)
        self._reached: float | None = None
        """Since when the broker is connected."""
        self._holes = 0
        self.refetched = 0
        """Predictions that were missed and fetched again."""

    # Queries of the endpoints

    @property
    def source(self) -> Literal["lsl", "broker"]:
        """Where headsets are discovered."""
        return "broker"

    @property
    def following(self) -> bool:
        """Return whether the broker is connected and the ingests' histories have been fetched.

        Then a client that is moved here can receive what it missed elsewhere.
        """
        return (
            self._reached is not None
            and self._clock() - self._reached >= _ANNOUNCED_SECONDS
            and all(
                followed.waiting is None or followed.newest for followed in self._followed.values()
            )
        )

    @property
    def holes(self) -> int:
        """Return how often missed messages were no longer available."""
        return self._holes + self._notices.holes

    def headsets(self) -> tuple[Headset, ...]:
        """Return all headsets, sorted by id."""
        return tuple(self._shown[identifier] for identifier in sorted(self._shown))

    def headset(self, identifier: str) -> Headset | None:
        """Return one headset; None if it is not known."""
        return self._shown.get(identifier)

    def quality(self, identifier: str) -> Quality | None:
        """Return None: only the headset's ingest knows, and requests are forwarded to it."""
        return None

    def owner(self, identifier: str) -> Place | None:
        """Return the ingest that reads a headset; None if it is away or there is none."""
        followed = self._followed.get(identifier)
        return None if followed is None or followed.owner.away else followed.owner.place

    def ingests(self) -> tuple[Place, ...]:
        """Return the ingests that are not away."""
        return tuple(place for place, ingest in self._ingests.items() if not ingest.away)

    # Incoming packets

    def on_announcement(self, announcement: Announcement) -> None:
        """Handle an ingest's announcement of the headsets that it follows."""
        place = announcement.site, announcement.ingest
        ingest = self._ingests.get(place)
        is_news = ingest is None or ingest.away or ingest.run != announcement.run
        if ingest is None:
            ingest = self._ingests[place] = _Ingest(place, announcement.run, self._clock())
        if is_news:
            logger.info("ingest found", site=announcement.site, ingest=announcement.ingest)
        ingest.run, ingest.last_seen, ingest.away = announcement.run, self._clock(), False
        refused = self._unfit(ingest, announcement)
        if refused is not None and ingest.refused is None:
            logger.warning("ingest refused", why=refused)
        is_news |= refused != ingest.refused
        ingest.refused = refused
        for identifier in ingest.headsets - announcement.headsets.keys():
            self._leave(identifier, ingest)
        ingest.headsets = set(announcement.headsets)
        for identifier, known in announcement.headsets.items():
            position = None if known is None else Position(*known)
            self._take(identifier, ingest, position)
        self._notices.on_announcement(place, announcement.run, announcement.notices)
        if is_news:
            self._ask(place, StatesWanted())

    def on_message(self, message: Published, notice: Position | None = None) -> None:
        """Handle a headset's message; with its run and number if it is a notice."""
        if notice is not None:
            self._notices.on_notice(notice, message)
            return
        identifier = message.headset.id if isinstance(message, Status) else message.headset
        followed = self._followed.get(identifier)
        if followed is None:
            return  # its ingest's announcement is on its way, and shows what to request
        if isinstance(message, Status):
            followed.status = message
            self._show(followed)
        elif self._why_withheld(followed) is not None:
            return
        elif isinstance(message, Prediction):
            self._prediction(followed, message)
        else:
            self._bus.publish(message)

    def on_answer(self, question: Question, answer: Answer | None) -> None:
        """Handle the answer to a question; None if there was none."""
        if isinstance(question, NoticesWanted):
            found = answer if isinstance(answer, NoticesFound) else None
            self._notices.on_answer(question, found)
        elif isinstance(answer, StatesFound):
            for status in answer.statuses:
                self.on_message(status)
        elif isinstance(question, HistoryWanted):
            followed = self._followed.get(question.headset)
            if followed is not None and followed.waiting is not None:
                self._learn(question, followed, answer)

    def tick(self, connected: bool) -> None:
        """Check the time; call this about once a second."""
        now = self._clock()
        if not connected:
            self._reached = None
        elif self._reached is None:
            self._reached = now
        for ingest in list(self._ingests.values()):
            silent = now - ingest.last_seen
            if silent > _FORGET_SECONDS:
                del self._ingests[ingest.place]
                for identifier in ingest.headsets:
                    self._leave(identifier, ingest)
            elif silent > AWAY_SECONDS and not ingest.away:
                ingest.away = True
                logger.warning("ingest away", site=ingest.place[0], ingest=ingest.place[1])
                for identifier in ingest.headsets:
                    if (followed := self._followed.get(identifier)) and followed.owner is ingest:
                        self._show(followed)

    def _notice(self, message: Published) -> None:
        identifier = message.headset.id if isinstance(message, Status) else message.headset
        followed = self._followed.get(identifier)
        if followed is not None and self._why_withheld(followed) is None:
            self._bus.publish(message)

    # The owner of a headset, and its published state

    def _unfit(self, ingest: _Ingest, announcement: Announcement) -> str | None:
        found = announcement.model_sha256, announcement.hop_seconds
        if found == self._model:
            return None
        return (
            f"found the model {found[0][:12]} every {found[1]:g} s at {ingest}, expected this "
            f"gateway's own, {self._model[0][:12]} every {self._model[1]:g} s: run both with one "
            "--model and one --hop-seconds, or another gateway for that site"
        )

    def _take(self, identifier: str, ingest: _Ingest, position: Position | None) -> None:
        followed = self._followed.get(identifier)
        if followed is None:
            followed = self._followed[identifier] = _Followed(ingest)
        elif followed.owner is not ingest:
            if not followed.owner.away and identifier in followed.owner.headsets:
                if followed.claimed is not ingest:
                    followed.claimed = ingest
                    logger.warning("headset of two ingests", headset=identifier)
                    self._show(followed)
                return
            followed.owner, followed.claimed, followed.status = ingest, None, None
        elif followed.claimed is not None and identifier not in followed.claimed.headsets:
            followed.claimed = None
            self._show(followed)
        followed.is_new = position is None and followed.newest is None
        if self._why_withheld(followed) is None and position is not None:
            newest = followed.newest
            same = newest is not None and newest.epoch == position.epoch
            if followed.waiting is None and not (same and newest and newest.seq >= position.seq):
                self._catch_up(identifier, followed)

    def _leave(self, identifier: str, ingest: _Ingest) -> None:
        followed = self._followed.get(identifier)
        if followed is None:
            return
        if followed.claimed is ingest:
            followed.claimed = None
            self._show(followed)
        elif followed.owner is ingest:
            del self._followed[identifier]
            self._shown.pop(identifier, None)
            self._bus.forget(identifier)

    def _why_withheld(self, followed: _Followed) -> str | None:
        if followed.claimed is not None:
            return (
                f"found a headset with this id at {followed.owner} and at {followed.claimed}, "
                "expected one. There is no way to know which one is meant: stop one, or give them "
                "distinct source ids"
            )
        return followed.owner.refused

    def _show(self, followed: _Followed) -> None:
        """Publish a headset's state: as its ingest reports it, unless more is known here."""
        if followed.status is None:
            return
        headset = followed.status.headset
        if (why := self._why_withheld(followed)) is not None:
            headset = headset.model_copy(update={"state": State.QUARANTINED, "detail": why})
        elif followed.owner.away:
            away = str(followed.owner) if self._reached is not None else "the broker"
            why = f"its state is unknown until {away} is back"
            headset = headset.model_copy(update={"state": State.LOST, "detail": why})
        self._shown[headset.id] = headset
        self._bus.publish(Status(headset=headset))

    # Predictions without holes

    def _prediction(self, followed: _Followed, prediction: Prediction) -> None:
        newest = followed.newest
        if followed.waiting is not None:
            followed.waiting.append(prediction)
        elif newest is None and followed.is_new and prediction.seq == 0:
            self._deliver(followed, prediction)
        elif newest is not None and prediction.epoch == newest.epoch:
            if prediction.seq == newest.seq + 1:
                self._deliver(followed, prediction)
            elif prediction.seq > newest.seq:
                self._catch_up(prediction.headset, followed, prediction)
        else:
            self._catch_up(prediction.headset, followed, prediction)

    def _deliver(self, followed: _Followed, prediction: Prediction) -> None:
        followed.newest = _position(prediction)
        self._bus.publish(prediction)

    def _catch_up(self, identifier: str, followed: _Followed, *came: Prediction) -> None:
        followed.waiting = deque(came, maxlen=MOST_KEPT)
        self._ask(followed.owner.place, HistoryWanted.after(identifier, followed.newest))

    def _learn(
        self,
        question: HistoryWanted,
        followed: _Followed,
        answer: Answer | None,
    ) -> None:
        identifier = question.headset
        if not isinstance(answer, HistoryFound):
            self._lack(identifier)
            self._go_on(followed, trusting=True)
            return
        if not answer.found:
            # The ingest has restarted, or was asked too late.
            self._lack(identifier)
            followed.newest = None
            self._ask(followed.owner.place, HistoryWanted(headset=identifier))
            return
        followed.restoring |= question.position is None
        if not followed.restoring and not answer.predictions:
            # It was asked because there are some.
            self._lack(identifier)
            self._go_on(followed, trusting=True)
            return
        if followed.restoring:
            self._restore(followed, answer)
        else:
            self.refetched += len(answer.predictions)
            self._bus.recover(list(zip(answer.ages, answer.predictions, strict=True)))
            followed.newest = _position(answer.predictions[-1])
        if answer.more:
            self._ask(followed.owner.place, HistoryWanted.after(identifier, followed.newest))
        else:
            self._go_on(followed, trusting=followed.restoring)

    def _restore(self, followed: _Followed, answer: HistoryFound) -> None:
        """Add predictions from before this gateway knew the headset; they are not published."""
        waiting = {(item.epoch, item.seq) for item in followed.waiting or ()}
        past = [
            (age, item)
            for age, item in zip(answer.ages, answer.predictions, strict=True)
            if (item.epoch, item.seq) not in waiting
        ]
        self._bus.restore(past)
        if past:
            followed.newest = _position(past[-1][1])

    def _lack(self, identifier: str) -> None:
        self._holes += 1
        self._bus.history.cut(identifier)

    def _go_on(self, followed: _Followed, *, trusting: bool) -> None:
        """Process what waited; if trusting, accept the first even if one before it is missing."""
        waiting, followed.waiting, followed.restoring = followed.waiting or (), None, False
        for prediction in waiting:
            newest = followed.newest
            if newest is not None and newest.epoch == prediction.epoch:
                if prediction.seq <= newest.seq:
                    continue
                trusting &= newest.seq + 1 != prediction.seq
            if trusting:
                self._deliver(followed, prediction)
                trusting = False
            else:
                self._prediction(followed, prediction)


def _position(prediction: Prediction) -> Position:
    return Position(prediction.epoch, prediction.seq)
