"""Real receivers: a web server with scripted answers, and mosquitto."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.needs import the_program

from eeg_emotion.alarms.store.store import EventStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(f"sqlite:///{tmp_path / 'events.db'}")
    yield store
    store.close()


@pytest.fixture
def mosquitto() -> str:
    return the_program("mosquitto")


@pytest.fixture
def broker(
    mosquitto: str, tmp_path: Path
) -> Callable[..., contextlib.AbstractContextManager[subprocess.Popen[bytes]]]:
    """Run the broker on a loopback port until the context ends."""

    @contextlib.contextmanager
    def run(port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
        config = tmp_path / "mosquitto.conf"
        config.write_text("\n".join([f"listener {port} 127.0.0.1", *lines, "user root", ""]))
        with (tmp_path / "mosquitto.log").open("ab") as log:
            process = subprocess.Popen([mosquitto, "-c", config], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                assert process.poll() is None, (tmp_path / "mosquitto.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()
            process.wait(60)

    return run
