"""What a process needs of its machine: an address, and open files."""

from __future__ import annotations

import contextlib
import importlib
import socket
from typing import Any

from eeg_emotion.api import arrivals
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

OPEN_FILES = 16384
"""For 512 headsets, which one host's LSL ports allow, and 4000 subscribers."""


class PortError(EegEmotionError):
    """The address cannot be listened on."""


def allow_many_files() -> None:
    """Raise the soft limit of open files: an LSL inlet holds some eleven, and 1024 is usual."""
    resource = _resource()
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS states a higher limit than it grants; `room_for` goes by what there is then.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def room_for(most: int) -> int:
    """Return how many connections are allowed: `/livez` too needs a file descriptor."""
    resource = _resource()
    if resource is None:
        return most
    files: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
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


def _resource() -> Any:
    """Return the module `resource`; None on Windows, which limits no open files."""
    try:
        return importlib.import_module("resource")
    except ImportError:
        return None


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
    """Return the address that is listened on, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
