"""Lines that processes print."""

from __future__ import annotations

import asyncio
import subprocess


def next_line(process: subprocess.Popen[str]) -> str:
    """Wait for a process' next line; its end comes with it."""
    assert process.stdout is not None
    return process.stdout.readline()


async def line_of(process: asyncio.subprocess.Process) -> str:
    """Wait for a process' next line; return it without its end."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()
