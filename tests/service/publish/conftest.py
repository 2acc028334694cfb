"""Frames and messages to be published, and who listens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.clock import FakeClock
from tests.support.frames import Bell


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bell() -> Callable[[], None]:
    return Bell()
