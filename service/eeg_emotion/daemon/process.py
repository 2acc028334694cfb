"""What a process needs from its machine: a port to listen on, and open files."""

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
    """The service cannot listen on the address."""


def allow_many_files() -> None:
    """Raise the soft limit of open files: an LSL inlet needs about eleven, and 1024 is usual."""
    resource = _resource()
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS reports a higher limit than it grants; `room_for` uses the one in effect.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def caps_of_arrivals() -> tuple[int, int]:
    """Return how many connections to allow without a whole request, and how many at endpoints."""
    most, most_at_endpoints = arrivals.MOST, arrivals.MOST_AT_ENDPOINTS
    resource = _resource()
    if resource is None:
        return most, most_at_endpoints
    files: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return most, most_at_endpoints
    return min(most, max(1, files // 8)), min(most_at_endpoints, max(1, files // 4))


def room_for(most: int) -> int:
    """Return how many connections to allow, so that descriptors remain for `/livez`."""
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
    """Return the module `resource`; None on Windows, which does not limit open files."""
    try:
        return importlib.import_module("resource")
    except ImportError:
        return None


def listen(host: str, port: int, option: str) -> socket.socket:
    """Return a listening socket; `option` is the option that the error's remedy names.

    Raises
    ------
    PortError
        If the address cannot be listened on.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortError(
            f"cannot listen on {host} port {port}: {error.strerror}; another program may be using "
            f"it. Stop that program, or choose another port with {option} (0 takes a free one)"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
