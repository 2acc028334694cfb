"""A real event store that can be made to fail or to stand still, and alarms around it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
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

    def run(*rules: dict[str, Any]) -> AbstractAsyncContextManager[World]:
        return World(store, rules or (EXCITED, LOST)).running()

    return run
