"""A subscriber that records what it receives."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


@dataclass
class Watch:
    """One subscriber to all headsets of a gateway."""

    predictions: list[tuple[str, str, int]] = field(default_factory=list)
    states: list[tuple[str, str, str]] = field(default_factory=list)
    subscribed: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False

    def newest(self) -> dict[str, dict[str, Any]]:
        """Its position, from which a client resumes."""
        return {headset: {"epoch": epoch, "seq": seq} for headset, epoch, seq in self.predictions}

    def of(self, headset: str) -> list[tuple[str, int]]:
        return [(epoch, seq) for name, epoch, seq in self.predictions if name == headset]

    async def listen(
        self, address: str, resume: dict[str, dict[str, Any]] | None = None, **dial: Any
    ) -> None:
        stream = address.replace("http", "ws", 1) + "v1/stream"
        hello = {"type": "hello", "subscribe": ["*"], "resume": resume or {}}
        with contextlib.suppress(ConnectionClosed):
            async with connect(stream, proxy=None, **dial) as socket:
                await socket.send(json.dumps(hello))
                async for text in socket:
                    self._take(json.loads(text))
        self.over = True

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "prediction":
                place = message["headset"], message["epoch"], message["seq"]
                self.predictions.append(place)
            case "status":
                headset = message["headset"]
                self.states.append((headset["id"], headset["state"], headset["detail"]))
            case "subscribed":
                self.subscribed.append(message)


def is_whole(places: list[tuple[str, int]]) -> bool:
    """Whether no number is missing or repeated within an epoch."""
    return all(
        after[1] == before[1] + 1 if after[0] == before[0] else after[1] == 0
        for before, after in itertools.pairwise(places)
    )


def has_more(watch: Watch, than: Mapping[str, int]) -> bool:
    """Return whether more predictions than these have come of each of these headsets."""
    return all(len(watch.of(headset)) > count for headset, count in than.items())


def is_lost(watch: Watch, headset: str) -> bool:
    """Return whether this headset was reported lost."""
    return (headset, "lost") in [state[:2] for state in watch.states]
