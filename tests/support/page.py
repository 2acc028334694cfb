"""The page's values, and a part of the service beside it."""

from __future__ import annotations

import contextlib
import re
import sys
from asyncio.subprocess import Process
from typing import Any

from tests.support.browser import program

PROBABILITY = re.compile(r"[01]\.\d\d")


def part(*arguments: str, **options: Any) -> contextlib.AbstractAsyncContextManager[Process]:
    return program(sys.executable, "-m", "eeg_emotion", *arguments, **options)


def assert_shown(now: dict[str, Any]) -> None:
    assert now["current"]
    assert now["reason"] == "Current estimate."
    assert PROBABILITY.fullmatch(now["arousal"])
    assert PROBABILITY.fullmatch(now["valence"])
    assert now["region"] != "–"


def assert_withheld(now: dict[str, Any]) -> None:
    assert not now["current"]
    assert now["reason"].startswith("No current estimate. ")
    assert (now["arousal"], now["valence"], now["region"]) == ("–", "–", "no estimate")
    assert "no current estimate" in now["plane"] or "no estimate yet" in now["plane"]
