"""A gateway's alarms, markers and baselines: none is missed while its ingest keeps it. Pure.

Each ingest numbers them in its run and announces how many there were. A gateway that was without
the broker for a moment, as when both reconnect and the ingest is first, sees by the numbers that
some are missing, and asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eeg_emotion.cluster.packets import NoticesFound, NoticesWanted, Place
from eeg_emotion.publish.bus import Published
from eeg_emotion.publish.history import Position


@dataclass(slots=True)
class _Run:
    """One run of an ingest."""

    place: Place
    newest: int
    """The number of the last one that was passed on."""
    announced: int
    asking: bool = False


class Notices:
    """The notices of all ingests, in each one's order.

    Parameters
    ----------
    publish
        Receives each.
    ask
        Called with a question for an ingest; its answer is passed to `on_answer`.

    Attributes
    ----------
    holes
        How often some were no longer available.
    """

    def __init__(
        self,
        publish: Callable[[Published], None],
        ask: Callable[[Place, NoticesWanted], None],
    ) -> None:
        self._publish = publish
        self._ask = ask
        # Of the current run of each ingest, even of one that has been away for long: what it
        # published meanwhile is wanted when it is back.
        self._runs: dict[str, _Run] = {}
        self._current: dict[Place, str] = {}
        self.holes = 0

    def on_announcement(self, place: Place, run: str, number: int) -> None:
        """Handle how many notices an ingest's run has published."""
        if (known := self._runs.get(run)) is None:
            before = self._current.get(place)
            if before is not None:
                del self._runs[before]
            self._current[place] = run
            # What an ingest published before this gateway knew it is nobody's news; what a new
            # run published before its first announcement is.
            known = self._runs[run] = _Run(place, number if before is None else 0, number)
        known.announced = max(known.announced, number)
        self._want(run, known)

    def on_notice(self, notice: Position, message: Published) -> None:
        """Handle a notice with its run and number."""
        known = self._runs.get(notice.epoch)
        if known is None:
            return  # its ingest's announcement is on its way, and shows what to request
        known.announced = max(known.announced, notice.seq)
        if not known.asking and notice.seq == known.newest + 1:
            known.newest = notice.seq
            self._publish(message)
        else:
            self._want(notice.epoch, known)

    def on_answer(self, question: NoticesWanted, answer: NoticesFound | None) -> None:
        """Handle the answer to a question; None if there was none."""
        known = self._runs.get(question.run)
        if known is None:
            return
        known.asking = False
        if answer is None:
            return  # the next announcement asks again
        for number, message in answer.notices:
            if number > known.newest:
                self.holes += number > known.newest + 1
                known.newest = number
                self._publish(message)
        if not answer.notices:
            # It was asked because there are some.
            self.holes += 1
            known.newest = known.announced
        self._want(question.run, known)

    def _want(self, run: str, known: _Run) -> None:
        if not known.asking and known.newest < known.announced:
            known.asking = True
            self._ask(known.place, NoticesWanted(run=run, after=known.newest))
