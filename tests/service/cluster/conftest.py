"""A real broker, and both sides of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.broker import Broker, nats_server
from tests.support.clock import FakeClock

__all__ = ["nats_server"]


@pytest.fixture
def broker(nats_server: str, tmp_path: Path) -> Iterator[Broker]:
    server = Broker(nats_server, tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
