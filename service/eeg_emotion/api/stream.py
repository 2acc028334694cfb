"""The WebSocket: one welcome, then every message of the bus, the newest to survive."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from eeg_emotion.api.service import Service
from eeg_emotion.publish.messages import PROTOCOL
from eeg_emotion.publish.outbox import Outbox

CLOSE_SHUTDOWN = 4001
"""The service stops; connect again. Codes 4000-4499 mean that, 4500-4999 that it is no use."""


def stream_router(service: Service) -> APIRouter:
    """Make the route `/v1/stream`."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        wake = asyncio.Event()
        outbox = service.bus.subscribe(wake.set)
        try:
            await socket.send_text(service.welcome().encode())
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(_write(service, socket, outbox, wake))
                # Reading notices a peer that left at once; writing would at the next message.
                await _read(socket)
                writer.cancel()
        except WebSocketDisconnect:
            return  # it left during the welcome
        finally:
            service.bus.unsubscribe(outbox)
            service.metrics.conflated.inc(outbox.conflated)

    return router


async def _read(socket: WebSocket) -> None:
    """Read until the peer leaves. Version 1 asks nothing of it, so what it says is dropped."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _write(service: Service, socket: WebSocket, outbox: Outbox, wake: asyncio.Event) -> None:
    """Send what waits, whenever the socket takes it; meanwhile the outbox keeps the newest."""
    try:
        closed = False
        while not closed:
            await wake.wait()
            wake.clear()
            closed = outbox.closed  # read first: what was put before the closing is still sent
            for text in outbox.take():
                await socket.send_text(text)
                service.metrics.delivered.inc()
        await socket.close(CLOSE_SHUTDOWN, "shutdown")
    except WebSocketDisconnect:
        return  # the reader hears of it too, and ends the connection
