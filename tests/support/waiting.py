"""Waiting for what other processes and threads do without announcing it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # another process says nothing to wait for
            await asyncio.sleep(0.01)
