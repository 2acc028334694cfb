"""Where changes of alarms go: into a store, and from there to targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from eeg_emotion.alarms.rulebook import RuleStore
from eeg_emotion.publish.alarms import Alarm


class EventSink(RuleStore, Protocol):
    """Stores events and pending deliveries; see `store.store.EventStore` for its errors."""

    def record(self, events: Sequence[Alarm], targets: Sequence[str], time: float) -> object:
        """Write events, each to be delivered to these targets, in one transaction."""
        ...

    def raised(self) -> list[tuple[Alarm, Alarm | None]]:
        """Return the raised alarms, with their acknowledgements."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A target that events are delivered to.

    Attributes
    ----------
    name
        Its name in the event store.
    wants
        Returns whether an event is for this target.
    wake
        Called when a new delivery is pending.
    """

    name: str
    wants: Callable[[Alarm], bool]
    wake: Callable[[], None]
