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
        Where new connections go: ``HOST:PORT``; None to refuse them.

    Attributes
    ----------
    address
        Where it listens: ``HOST:PORT``.
    connections
        How many were made through it.
    """

    def __init__(self, target: str | None) -> None:
        self.address = ""
        self.target = target
        self.connections = 0
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

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
        self.target = None
        self.cut()
        await asyncio.gather(*self._carrying)

    def stop_listening(self) -> None:
        """Refuse new connections as a host does where nothing listens."""
        self._server.close()

    async def listen_again(self) -> None:
        """Accept connections at the same address."""
        host, port = self.address.split(":")
        self._server = await asyncio.start_server(self._accept, host, int(port))

    def cut(self) -> int:
        """Reset every connection, both ways; return how many there were."""
        open_ones = [writer for writer in self._writers if not writer.is_closing()]
        for writer in open_ones:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        return (len(open_ones) + 1) // 2

    def black_hole(self) -> None:
        """Drop everything that the open connections send, without notifying either end."""
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
            if self.target is not None:
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
                if writer in self._swallowed:
                    continue
                writer.write(data)
                await writer.drain()
        if writer not in self._swallowed:
            writer.close()
