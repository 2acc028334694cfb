"""A service around the demo model, a real server for it, and a headset's predictions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support import messages
from tests.support.alarms import alarms_in

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Grant
from eeg_emotion.alarms.alarms import Alarms
from eeg_emotion.alarms.routes import AlarmsPart
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.api.app import create_app, shared_parts
from eeg_emotion.api.baselines import BaselinesPart
from eeg_emotion.api.fanout import Fanout
from eeg_emotion.api.health import Vitals
from eeg_emotion.api.no_alarms import NoAlarmsPart
from eeg_emotion.api.probes import HealthPart
from eeg_emotion.api.push import Push
from eeg_emotion.api.routes import QualityPart
from eeg_emotion.api.server import make_server
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.api.welcome import Greeter
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.codes import Purpose, State
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.metrics.loop_lag import LoopLag
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.open_inference.routes import OpenInferencePart
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.messages import (
    Headset,
    ModelCard,
    Prediction,
    Quality,
    Welcome,
)
from eeg_emotion.publish.model_card import model_card
from eeg_emotion.publish.outbox import Outbox


@dataclass(frozen=True)
class FakeStream:
    """A headset's stream, with a stand-in for its pipeline."""

    pipeline: Any


@dataclass
class FakeHeadsets:
    """Headsets as a test sets them."""

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

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, utc: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock, utc)
        self._changed = asyncio.Condition()

    def attach(self, outbox: Outbox, may_read: Callable[[str], bool]) -> None:
        super().attach(outbox, may_read)
        self._tell()

    def detach(self, outbox: Outbox) -> None:
        super().detach(outbox)
        self._tell()

    def want_detail(self, outbox: Outbox, *headsets: str) -> None:
        super().want_detail(outbox, *headsets)
        self._tell()

    def unsubscribe(self, outbox: Outbox, *headsets: str) -> None:
        super().unsubscribe(outbox, *headsets)
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._told = asyncio.ensure_future(notify())

    async def until_subscribers(self, count: int, *, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.subscribers == count)

    async def until_details(self, *headsets: str, seconds: float = 60.0) -> None:
        """Wait until subscribers want the details of these headsets and of no others."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.details_wanted() == set(headsets))


@dataclass
class ServedService:
    """What endpoints need, replaceable by a test, and the application of it.

    As an ASGI application it is made of what is here when a request comes.
    """

    model: Model
    headsets: Headsets
    bus: Bus
    baselines: Baselines
    alarms: Alarms
    events: EventStore
    alarms_installed: bool = True
    metrics: Metrics = field(default_factory=Metrics)
    limits: QualityLimits = field(default_factory=QualityLimits)
    access: Access = field(default_factory=Access)
    purpose: Purpose = Purpose.DEMO
    justification: str | None = None
    subscribers: Subscribers = field(default_factory=Subscribers)
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
    fanout: Fanout = field(init=False)
    lag: LoopLag = field(init=False)

    def __post_init__(self) -> None:
        self.fanout = Fanout(self.metrics)
        # How late this machine's event loop is decides nothing; tests of that set their own.
        self.lag = LoopLag(self.metrics.observe_lag, clock=lambda: 0.0)
        self._made_of: list[object] = []
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = [getattr(self, each.name) for each in fields(self)]
        if self._app is None or any(a is not b for a, b in zip(held, self._made_of, strict=True)):
            self._made_of, self._app = held, self.app()
        await self._app(scope, receive, send)

    def app(self, *, docs: bool = True, metrics: bool = True) -> FastAPI:
        """Make the application of the current parts."""
        health = HealthPart(self.vitals(), metrics)
        return create_app(
            [
                *shared_parts(self.model, self.limits, self.push(), self.greeter(), health),
                QualityPart(self.headsets, self.model.contract.path.window_seconds),
                BaselinesPart(self.headsets, self.baselines, self.model),
                AlarmsPart(self.alarms, self.events) if self.alarms_installed else NoAlarmsPart(),
                OpenInferencePart(self.model, self.subscribers),
            ],
            self.access,
            self.metrics,
            docs=docs,
        )

    def push(self) -> Push:
        return Push(
            self.bus,
            self.subscribers,
            self.fanout,
            self.metrics,
            clock=lambda: self.clock(),
            utc=lambda: self.utc(),
        )

    def vitals(self) -> Vitals:
        return Vitals(
            self.model.contract,
            self.headsets,
            self.bus,
            self.subscribers,
            self.metrics,
            self.lag,
            self.alarms if self.alarms_installed else None,
            utc=lambda: self.utc(),
        )

    def greeter(self) -> Greeter:
        return Greeter(self.model_card(), self.headsets, self.purpose, self.justification)

    def welcome(self, grant: Grant) -> Welcome:
        return self.greeter().welcome(grant)

    def model_card(self) -> ModelCard:
        return model_card(self.model.contract, sha256=self.model.sha256, hop_seconds=1.0)

    async def run(self) -> None:
        """Deliver messages to the subscribers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.lag.run())
            tasks.create_task(self.push().run())


@dataclass
class Service(ServedService):
    """The same of fakes, which a test moves and watches."""

    headsets: FakeHeadsets
    bus: WatchedBus


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
    service = Service(
        model=model,
        headsets=headsets,
        bus=bus,
        baselines=baselines,
        alarms=alarms,
        events=events,
    )
    yield service
    events.close()


@pytest.fixture
def service(model: Model, tmp_path: Path) -> Iterator[Service]:
    with a_service(model, tmp_path) as service:
        yield service


@pytest.fixture(scope="session")
def standing(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application of a service without headsets, for tests that change nothing of it."""
    with a_service(model, tmp_path_factory.mktemp("standing")) as service:
        yield service.app()


def asking(
    app: ASGIApp, check_answer: Callable[[httpx.Response], Awaitable[None]]
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [check_answer]}
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", event_hooks=hooks)


@pytest.fixture
async def client(
    standing: FastAPI, check_answer: Callable[[httpx.Response], Awaitable[None]]
) -> AsyncIterator[httpx.AsyncClient]:
    """Request from a service that no test changes; each module has its `check_answer`."""
    async with asking(standing, check_answer) as client:
        yield client


@pytest.fixture
async def own_client(
    service: Service, check_answer: Callable[[httpx.Response], Awaitable[None]]
) -> AsyncIterator[httpx.AsyncClient]:
    """Request from this test's own service."""
    async with asking(service, check_answer) as client:
        yield client


@pytest.fixture
def serving(service: Service) -> Callable[..., contextlib.AbstractAsyncContextManager[str]]:
    """Serve on a free loopback port, as the daemon does; yield `127.0.0.1:PORT`."""

    @contextlib.asynccontextmanager
    async def serve(**settings: Any) -> AsyncIterator[str]:
        server = make_server(service, **settings)
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
        return messages.prediction(headset, seq, **changes)

    return make


@pytest.fixture(scope="session")
def strict_json() -> Callable[[str | bytes], Any]:
    """Parse JSON as browsers do: NaN and Infinity are errors."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"found {constant}, which is no JSON")

    def parse(text: str | bytes) -> Any:
        return json.loads(text, parse_constant=refuse)

    return parse
