"""A clock that a test sets."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass
class FakeClock:
    """Unix seconds."""

    now: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
