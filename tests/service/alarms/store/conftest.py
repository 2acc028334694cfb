"""The same tests on an SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.support.needs import the_program
from tests.support.postgresql import PASSWORD, as_nobody

from eeg_emotion.alarms.store.store import EventStore


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server for the session; gives its URL without the database's name."""
    initdb, server = the_program("initdb"), the_program("postgres")
    # Not beneath pytest's folder, into which nobody else may look.
    folder = Path(tmp_path_factory.mktemp("unused").anchor) / "tmp" / f"eeg-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    user = as_nobody()
    if user:
        os.chown(folder, user["user"], user["group"])
    data, secret = folder / "data", folder / "secret"
    secret.write_text(PASSWORD)
    if user:
        os.chown(secret, user["user"], user["group"])
    made: list[str | Path] = [initdb, "-D", data, "-U", "owner", "--pwfile", secret, "-N"]
    made += ["--auth=scram-sha-256", "-E", "UTF8", "--locale=C"]
    subprocess.run(
        made,
        check=True,
        cwd=folder,
        capture_output=True,
        **user,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [server, "-D", data, *options, "-c", f"unix_socket_directories={folder}"],
            cwd=folder,
            stdout=log,
            stderr=log,
            **user,
        )
    url = f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(f"{url}/postgres").close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'folder' / 'events.db'}"
        return
    server = request.getfixturevalue("postgres")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS contract")
        connection.execute("CREATE DATABASE contract")
    yield f"{server}/contract"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE contract WITH (FORCE)")


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    store = EventStore(url)
    yield store
    store.close()
