"""A service that follows a script, sleeps that are over at once, and the API's own fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

import pytest
from tests.support.script import Naps, Script, Soon
from tests.support.service import Service
from websockets.asyncio.server import serve
from websockets.typing import Subprotocol

from eeg_emotion.access.grants import EVERYTHING
from eeg_emotion.client import connection
from eeg_emotion.publish.messages import PROTOCOL


@pytest.fixture
def soon() -> Random:
    return Soon()


@pytest.fixture
def naps() -> Naps:
    return Naps()


HASTE = 20


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what counts as silence by this factor."""
    monkeypatch.setattr(connection, "_QUIET_SECONDS", connection._QUIET_SECONDS / HASTE)


@pytest.fixture
async def script(service: Service) -> AsyncIterator[Script]:
    script = Script(service.welcome(EVERYTHING))
    async with serve(
        script.take,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(PROTOCOL)],
        process_request=script.judge,
        close_timeout=1,
    ) as server:
        script.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script
