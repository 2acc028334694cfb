"""Waiting for what other processes and threads do without announcing it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # another process says nothing to wait for
            await asyncio.sleep(0.01)


async def until_listening(port: int) -> None:
    """Wait until another process accepts connections at a port of this machine."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)  # it offers no event
            else:
                writer.close()
                return
