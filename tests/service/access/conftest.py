"""A clock that a test sets."""

from __future__ import annotations

import pytest
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Unix time, s."""
    return FakeClock(1_795_000_000.0)
