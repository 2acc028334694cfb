"""A TCP proxy that does to a connection what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType

# Closing sends RST, and what was on its way is lost.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Carries bytes between clients and a server.

    Parameters
    ----------
    target
        Where to: ``HOST:PORT``.
    delay
        Added to each way, s.

    Attributes
    ----------
    address
        Where it listens: ``HOST:PORT``.
    connections
        How many were made through it.
    """

    def __init__(self, target: str, *, delay: float = 0.0) -> None:
        self.address = ""
        self.target = target
        self.delay = delay
        self.connections = 0
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.resume()
        self.cut()
        await asyncio.gather(*self._carrying)

    def cut(self) -> None:
        """Reset every connection, both ways."""
        for writer in self._writers:
            if writer.is_closing():
                continue
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def pause(self) -> None:
        """Carry nothing until `resume`; it is kept."""
        self._flowing.clear()

    def resume(self) -> None:
        """Carry on."""
        self._flowing.set()

    def black_hole(self) -> None:
        """Swallow, for the connections there are, all that comes, and tell neither end."""
        self._swallowed |= self._writers

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = {writer}
        self._writers |= writers
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self.target.split(":"))
            writers.add(far_writer)
            self._writers |= writers
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._writers -= writers
        self._swallowed -= writers
        for each in writers:
            each.transport.abort()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay)
                await self._flowing.wait()
                if writer in self._swallowed:
                    continue
                writer.write(data)
                await writer.drain()
        if writer not in self._swallowed:
            writer.close()
