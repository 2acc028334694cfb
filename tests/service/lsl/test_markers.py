from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pylsl
import pytest

from eeg_emotion.lsl.markers import (
    LONGEST_TEXT,
    MarkerContent,
    MarkerInlet,
    MarkersLostError,
    MarkersRefusedError,
    read_marker,
)

RATED = {"valence": 7.0, "arousal": 2.5}


def said(**content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"clip 4 begins", MarkerContent("clip 4 begins", None)),
        (b"", MarkerContent("", None)),
        (said(text="trial 7", ratings=RATED), MarkerContent("trial 7", RATED)),
        (said(text="t", ratings={**RATED, "liking": 3}), MarkerContent("t", RATED)),
        (said(text="t", ratings=None), MarkerContent("t", None)),
        (said(text="t"), MarkerContent("t", None)),
        # What is JSON and no marker is text.
        (b"[1, 2]", MarkerContent("[1, 2]", None)),
        (b"7", MarkerContent("7", None)),
        (b'{"text": 7}', MarkerContent('{"text": 7}', None)),
        (b'{"text": ', MarkerContent('{"text":', None)),
        (b"[" * 4000, MarkerContent("[" * LONGEST_TEXT, None)),
        # Ratings are both there and both on the scale, or there are none.
        (said(text="t", ratings={"valence": 7.0}), MarkerContent("t", None)),
        (said(text="t", ratings={**RATED, "arousal": "2"}), MarkerContent("t", None)),
        (said(text="t", ratings={**RATED, "arousal": True}), MarkerContent("t", None)),
        (said(text="t", ratings={**RATED, "arousal": 0.9}), MarkerContent("t", None)),
        (said(text="t", ratings={**RATED, "arousal": 9.1}), MarkerContent("t", None)),
        (said(text="t", ratings={**RATED, "arousal": float("nan")}), MarkerContent("t", None)),
        (said(text="t", ratings={**RATED, "arousal": float("inf")}), MarkerContent("t", None)),
        (said(text="t", ratings=[7.0, 2.5]), MarkerContent("t", None)),
        # What is unreadable, or would break a line, is left out.
        (b"a\x00b\x1b[31m\tc\r\nd", MarkerContent("ab[31m c d", None)),
        (b"\xff\xfe", MarkerContent("\ufffd\ufffd", None)),
        (b'{"text": "\\ud800x"}', MarkerContent("x", None)),
        (b"x" * 10_000_000, MarkerContent("x" * LONGEST_TEXT, None)),
        (said(text="y" * 1000), MarkerContent("y" * LONGEST_TEXT, None)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_marker_is_read_whatever_it_is(data: bytes, content: MarkerContent) -> None:
    assert read_marker(data) == content


class Outlet:
    """A stream of markers, found as a headset's is."""

    def __init__(self, channels: int = 1, sfreq: float = 0.0, kind: str = "string") -> None:
        self.source_id = uuid.uuid4().hex
        info = pylsl.StreamInfo("Notes", "Markers", channels, sfreq, kind, self.source_id)
        self.outlet: pylsl.StreamOutlet | None = pylsl.StreamOutlet(info)

    def found(self) -> pylsl.StreamInfo:
        (info,) = pylsl.resolve_byprop("source_id", self.source_id, timeout=60)
        return info

    def say(self, *texts: str) -> None:
        assert self.outlet is not None
        for text in texts:
            self.outlet.push_sample([text], 5.0)

    def wait(self) -> None:
        assert self.outlet is not None
        assert self.outlet.wait_for_consumers(60)


def until(pull: Callable[[], list[bytes]], count: int) -> list[bytes]:
    """Pull until so many have come."""
    found: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(0.004)
        found += pull()
    return found


def test_markers_come_with_their_stamps_and_pulling_does_not_wait(
    lsl_session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = Outlet()
    inlet = MarkerInlet(outlet.found())
    outlet.wait()
    waits: set[float] = set()
    pull_chunk = inlet._inlet.pull_chunk

    def noted(*, timeout: float, max_samples: int) -> object:
        waits.add(timeout)
        return pull_chunk(timeout=timeout, max_samples=max_samples)

    monkeypatch.setattr(inlet._inlet, "pull_chunk", noted)
    texts, stamps, dropped = inlet.pull(20)
    assert (texts, len(stamps), dropped) == ([], 0, 0)

    outlet.say("one", "two")
    seen: list[float] = []

    def pull() -> list[bytes]:
        texts, stamps, dropped = inlet.pull(20)
        assert dropped == 0
        seen.extend(stamps)
        return texts

    assert until(pull, 2) == [b"one", b"two"]
    np.testing.assert_array_equal(seen, [5.0, 5.0])
    assert waits == {0.0}
    inlet.close()
    with pytest.raises(MarkersLostError, match="from this side"):
        inlet.pull(20)


def test_what_is_beyond_what_is_asked_for_is_dropped_and_counted(lsl_session: str) -> None:
    outlet = Outlet()
    inlet = MarkerInlet(outlet.found())
    outlet.wait()
    outlet.say(*(str(number) for number in range(60)))
    left_out = 0

    def pull() -> list[bytes]:
        nonlocal left_out
        texts, _, dropped = inlet.pull(3)
        left_out += dropped
        return [*texts, *([b""] * dropped)]

    found = until(pull, 60)
    assert len(found) == 60
    assert left_out > 0
    assert found[:3] == [b"0", b"1", b"2"]
    inlet.close()


def test_the_end_of_the_source_is_reported(lsl_session: str) -> None:
    outlet = Outlet()
    inlet = MarkerInlet(outlet.found())
    outlet.wait()
    outlet.outlet = None

    def pull() -> list[bytes]:
        return inlet.pull(20)[0]

    with pytest.raises(MarkersLostError, match="closed the connection"):
        until(pull, 1)


@pytest.mark.parametrize(
    ("channels", "sfreq", "kind", "found"),
    [
        (2, 0.0, "string", "2 channels of text at 0 Hz"),
        (1, 100.0, "string", "1 channels of text at 100 Hz"),
        (1, 0.0, "int32", "1 channels of numbers at 0 Hz"),
    ],
)
def test_what_is_no_stream_of_text_is_refused(
    lsl_session: str, channels: int, sfreq: float, kind: str, found: str
) -> None:
    outlet = Outlet(channels, sfreq, kind)
    with pytest.raises(MarkersRefusedError, match=found):
        MarkerInlet(outlet.found())
