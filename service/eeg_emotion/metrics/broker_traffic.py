"""What passes between a process and the broker, as the metrics show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has passed between a process and the broker since it started.

    Attributes
    ----------
    connected
        Whether the broker is there now.
    sent, heard
        Messages given to it, and taken from it.
    dropped
        Messages that it could not be given in time.
    refetched, holes
        Predictions that were missed and asked for; how often some could not be had any more.
    ingests
        Those that are there, as a gateway sees it.
    """

    connected: bool
    sent: int = 0
    heard: int = 0
    dropped: int = 0
    refetched: int = 0
    holes: int = 0
    ingests: int = 0
