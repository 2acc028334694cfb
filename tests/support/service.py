"""A service around the demo model, a real server for it, and a headset's predictions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from tests.service.alarms.quiet import alarms_in
from tests.service.publish import conftest as publish

from eeg_emotion.api.app import create_app
from eeg_emotion.api.server import make_server
from eeg_emotion.api.service import Service
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.codes import State
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import (
    Headset,
    Prediction,
    Quality,
)
from eeg_emotion.publish.outbox import Outbox


@dataclass(frozen=True)
class FakeStream:
    """A headset's stream, with a stand-in for its pipeline."""

    pipeline: Any


@dataclass
class FakeHeadsets:
    """Headsets that are where a test puts them."""

    known: dict[str, Headset] = field(default_factory=dict)
    streams: dict[str, FakeStream] = field(default_factory=dict)
    qualities: dict[str, Quality] = field(default_factory=dict)
    following: bool = True
    source: Literal["lsl", "broker"] = "lsl"

    def add(
        self, identifier: str, state: State = State.LIVE, pipeline: Any | None = None
    ) -> Headset:
        if pipeline is not None:
            self.streams[identifier] = FakeStream(pipeline)
        self.known[identifier] = Headset(
            id=identifier,
            name=f"Headset {identifier}",
            state=state,
            detail="put here by a test",
            simulated=True,
            epoch="e0",
            sfreq=128.0,
        )
        return self.known[identifier]

    def headsets(self) -> tuple[Headset, ...]:
        return tuple(self.known.values())

    def headset(self, identifier: str) -> Headset | None:
        return self.known.get(identifier)

    def quality(self, identifier: str) -> Quality | None:
        return self.qualities.get(identifier)

    def active_stream(self, identifier: str) -> FakeStream | None:
        return self.streams.get(identifier)


class WatchedBus(Bus):
    """The bus, with its comings and goings to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Condition()

    def attach(self, outbox: Outbox, may_read: Callable[[str], bool]) -> None:
        super().attach(outbox, may_read)
        self._tell()

    def detach(self, outbox: Outbox) -> None:
        super().detach(outbox)
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._told = asyncio.ensure_future(notify())

    async def until_subscribers(self, count: int, *, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.subscribers == count)


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model(demo_model_path())


@contextlib.contextmanager
def a_service(model: Model, folder: Path) -> Iterator[Service]:
    headsets, bus = FakeHeadsets(), WatchedBus()
    baselines = Baselines(
        model,
        bus,
        ProfileStore(folder / "profiles"),
        clock=time.monotonic,
        utc=time.time,
        random=Random(5),
    )
    baselines.attach(headsets)
    alarms, events = alarms_in(folder, bus)
    yield Service(
        model=model,
        hop_seconds=1.0,
        headsets=headsets,
        bus=bus,
        metrics=Metrics(),
        baselines=baselines,
        alarms=alarms,
        events=events,
    )
    events.close()


@pytest.fixture
def service(model: Model, tmp_path: Path) -> Iterator[Service]:
    with a_service(model, tmp_path) as service:
        yield service


@pytest.fixture(scope="session")
def standing(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application of a service without headsets, for tests that change nothing of it."""
    with a_service(model, tmp_path_factory.mktemp("standing")) as service:
        yield create_app(service)


def asking(
    app: FastAPI, check_answer: Callable[[httpx.Response], Awaitable[None]]
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [check_answer]}
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", event_hooks=hooks)


@pytest.fixture
async def client(
    standing: FastAPI, check_answer: Callable[[httpx.Response], Awaitable[None]]
) -> AsyncIterator[httpx.AsyncClient]:
    """Ask a service that no test changes; `check_answer` is the fixture of each module."""
    async with asking(standing, check_answer) as client:
        yield client


@pytest.fixture
async def own_client(
    service: Service, check_answer: Callable[[httpx.Response], Awaitable[None]]
) -> AsyncIterator[httpx.AsyncClient]:
    """Ask this test's own service."""
    async with asking(create_app(service), check_answer) as client:
        yield client


@pytest.fixture
def serving(service: Service) -> Callable[..., contextlib.AbstractAsyncContextManager[str]]:
    """Serve on a free loopback port, as the daemon does; gives `127.0.0.1:PORT`."""

    @contextlib.asynccontextmanager
    async def serve(**settings: Any) -> AsyncIterator[str]:
        server = make_server(create_app(service), **settings)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = listener.getsockname()
            async with asyncio.TaskGroup() as tasks:
                carrying = tasks.create_task(service.run())
                tasks.create_task(server.serve(sockets=[listener]))
                await server.answering.wait()
                try:
                    yield f"{host}:{port}"
                finally:
                    server.should_exit = True
                    carrying.cancel()

    return serve


@pytest.fixture
async def address(
    serving: Callable[..., contextlib.AbstractAsyncContextManager[str]],
) -> AsyncIterator[str]:
    async with serving() as address:
        yield address


@pytest.fixture
def prediction() -> Callable[..., Prediction]:
    """Make a prediction of a headset."""

    def make(headset: str = "h1", seq: int = 0, **changes: Any) -> Prediction:
        return publish.prediction(headset, seq, **changes)

    return make


@pytest.fixture(scope="session")
def strict_json() -> Callable[[str | bytes], Any]:
    """Parse JSON as browsers do: NaN and Infinity are errors."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"found {constant}, which is no JSON")

    def parse(text: str | bytes) -> Any:
        return json.loads(text, parse_constant=refuse)

    return parse
