"""A TCP proxy between a client and a server, to cut connections and to change the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

# An end without a farewell: what was on its way is lost, as when a network goes.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Carries bytes; `target` is where new connections go, None to refuse them."""

    def __init__(self) -> None:
        self.address = ""
        self.target: str | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    def cut(self) -> int:
        """Break all connections; return how many there were."""
        ends = [end for end in self._ends if not end.is_closing()]
        for end in ends:
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()
        return (len(ends) + 1) // 2

    async def close(self) -> None:
        """Break all connections, and wait until nothing of them is left."""
        self.target = None
        self.cut()
        await asyncio.gather(*self._carrying)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._ends.add(writer)
        with contextlib.suppress(OSError):
            if self.target is not None:
                far_reader, far_writer = await asyncio.open_connection(*self.target.split(":"))
                ends.add(far_writer)
                self._ends.add(far_writer)
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._ends -= ends
        for end in ends:
            end.transport.abort()
            with contextlib.suppress(OSError):
                await end.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxied(target: str | None) -> AsyncIterator[Proxy]:
    """Run a proxy on a free loopback port."""
    proxy = Proxy()
    proxy.target = target
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    proxy.address = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
