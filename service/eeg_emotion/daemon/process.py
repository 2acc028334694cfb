"""What a process needs of its machine: an address, open files, and an end on a signal."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket

from eeg_emotion.api import arrivals
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

_OPEN_FILES = 16384  # 512 headsets, which one host's LSL ports allow, and 4000 subscribers


class PortError(EegEmotionError):
    """The address cannot be listened on."""


def allow_many_files() -> None:
    """Raise the soft limit of open files: an LSL inlet holds some eleven, and 1024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def room_for(most: int) -> int:
    """Give how many connections there may be: without a file left not even `/livez` is answered."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return most
    # Half of them for subscribers, the rest for headsets.
    room = max(1, (files - arrivals.MOST) // 2)
    if room < most:
        logger.warning(
            "fewer connections than set",
            connections=room,
            max_connections=most,
            open_files=files,
            remedy="raise the limit of open files (ulimit -Hn)",
        )
    return min(room, most)


def stop_signal() -> asyncio.Event:
    """Give what SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_die, stop, number)
    return stop


def _stop_or_die(stop: asyncio.Event, number: signal.Signals) -> None:
    """Stop in order at the first signal, and at once at the second."""
    if stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()


def listen(host: str, port: int, option: str) -> socket.socket:
    """Listen on an address; `option` is the one that the remedy names."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortError(
            f"cannot listen on {host} port {port}: {error.strerror}; another program may have it. "
            f"Stop that one, or name another port with {option} (0 takes a free one)"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Give the address that is listened on, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
