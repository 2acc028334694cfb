"""A real event store that can be made to fail or to stand still, and alarms around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.alarms import EXCITED, LOST, Start, TroubledStore, World


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = TroubledStore(f"sqlite:///{tmp_path / 'events.db'}")
    yield store
    store.open.set()
    store.close()


@pytest.fixture
def start(store: TroubledStore) -> Start:
    """Run alarms with these rules until the context ends."""

    @asynccontextmanager
    async def run(*rules: dict[str, Any]) -> AsyncIterator[World]:
        world = World(store, rules or (EXCITED, LOST))
        task = asyncio.create_task(world.alarms.run())
        try:
            yield world
        finally:
            store.open.set()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()

    return run
