"""Health: alive while the loop is in time, ready while work can come, and how the signal is."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from tests.support.headset import headset_process
from tests.support.service import Service

from eeg_emotion.access.access import Access, CredentialsError
from eeg_emotion.access.grants import Grant, Scope
from eeg_emotion.api.probes import metrics_server
from eeg_emotion.codes import State
from eeg_emotion.metrics.loop_lag import LoopLag
from eeg_emotion.publish.messages import Prediction
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.settings import load_settings

Ask = Callable[..., contextlib.AbstractAsyncContextManager[httpx.AsyncClient]]


@contextlib.asynccontextmanager
async def asking(service: Service, **options: bool) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service.app(**options) if options else service)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(service) as client:
        yield client


def assert_problem(response: httpx.Response, status: int, words: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert words in response.json()["detail"]


# -- alive -------------------------------------------------------------------------------------


class Time:
    """A clock, and a sleep that takes as long as a test says."""

    def __init__(self, *sleeps: float) -> None:
        self.now = 50.0
        self.sleeps = list(sleeps)
        self.over = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if not self.sleeps:
            self.over.set()
            await asyncio.Event().wait()
        self.now += seconds + self.sleeps.pop(0)


async def lag_after(time: Time, observed: list[float]) -> LoopLag:
    """Measure until the sleeps are used up."""
    lag = LoopLag(observed.append, time, time.sleep)
    task = asyncio.create_task(lag.run())
    await time.over.wait()
    task.cancel()
    return lag


async def test_a_lag_is_what_a_sleep_takes_too_long() -> None:
    observed: list[float] = []
    lag = await lag_after(Time(0.0, 1.5, 0.125), observed)
    assert observed == [0.0, 1.5, 0.125]
    assert lag.seconds == 0.125


async def test_a_loop_that_stands_still_is_late_before_its_sleep_ends() -> None:
    time = Time(0.0)
    lag = await lag_after(time, [])
    assert lag.seconds == 0.0
    time.now += 0.25 + 3.0
    assert lag.seconds == 3.0


@pytest.mark.parametrize(("late", "status"), [(0.0, 200), (0.99, 200), (1.0, 503), (7.5, 503)])
async def test_it_is_alive_while_the_event_loop_is_less_than_a_second_late(
    client: httpx.AsyncClient, service: Service, late: float, status: int
) -> None:
    service.lag = await lag_after(Time(late), [])
    response = await client.get("/livez")
    assert response.status_code == status
    if status == 200:
        assert response.json() == {"status": "ok"}
    else:
        assert_problem(response, 503, f"found the event loop {late:.1f} s late")


async def test_a_blocked_loop_is_measured_by_the_running_service(
    serving: Callable[..., contextlib.AbstractAsyncContextManager[str]], service: Service
) -> None:
    service.lag = LoopLag(service.metrics.observe_lag)
    async with serving() as address, httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"http://{address}/livez")
        time.sleep(0.6)  # noqa: ASYNC251 - this is what is measured
        await http.get(f"http://{address}/livez")
    summed = service.metrics.registry.get_sample_value("emotion_event_loop_lag_seconds_sum")
    assert summed is not None
    assert summed > 0.3


# -- ready -------------------------------------------------------------------------------------


async def test_it_is_ready_without_a_headset_and_with_lost_ones(
    client: httpx.AsyncClient, service: Service
) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ok"}
    service.headsets.add("h1", State.LOST)
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_while_it_drains_it_is_not_ready_but_alive(
    client: httpx.AsyncClient, service: Service
) -> None:
    service.subscribers.draining = True
    assert_problem(await client.get("/readyz"), 503, "the service is stopping")
    assert (await client.get("/livez")).status_code == 200


async def test_where_lsl_is_followed_no_more_it_is_not_ready_but_alive(
    client: httpx.AsyncClient, service: Service
) -> None:
    service.headsets.following = False
    assert_problem(await client.get("/readyz"), 503, "no look-up of LSL streams")
    assert (await client.get("/livez")).status_code == 200


async def test_verbose_lists_the_checks_and_how_the_signal_is(
    client: httpx.AsyncClient, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.utc = lambda: 5000.0
    states = {
        "h1": State.LIVE,
        "h2": State.LIVE,
        "h3": State.STALE,
        "h4": State.LOST,
        "h5": State.LOST,
        "h6": State.QUARANTINED,
        "h7": State.CONNECTING,
    }
    for name, state in states.items():
        service.headsets.add(name, state)
    for name, end in {"h1": 4999.0, "h2": 4998.5, "h3": 4996.0, "h4": 4900.0}.items():
        service.bus.publish(prediction(name, window={"start": end - 5, "end": end}))
    service.metrics.on_samples(samples=900, missing=100, superseded=0)
    for milliseconds in range(101):
        service.metrics.observe_delivery(milliseconds / 1e3)
    service.metrics.connected("websocket", 3)
    service.metrics.connected("sse", 1)
    response = await client.get("/readyz?verbose")
    assert response.status_code == 200
    found = response.json()
    assert found["status"] == "ok"
    assert {name: check["ok"] for name, check in found["checks"].items()} == {
        "model": True, "lsl": True, "accepting": True,
    }  # fmt: skip
    assert service.model.contract.name in found["checks"]["model"]["detail"]
    assert found["keeping_up"] == {"ok": True, "detail": "samples are taken in time"}
    assert found["headsets"] == {
        "connecting": 1, "live": 2, "stale": 1, "lost": 2, "quarantined": 1,
    }  # fmt: skip
    assert found["troubled"] == {"stale": ["h3"], "lost": ["h4", "h5"], "quarantined": ["h6"]}
    assert found["samples"] == {"received": 900, "missing": 100, "share": 0.1}
    ages = found["prediction_age_seconds"]
    assert ages["live"] == {"least": 1.0, "most": 1.5}
    assert ages["stale"] == {"least": 4.0, "most": 4.0}
    assert ages["lost"] == {"least": 100.0, "most": 100.0}
    assert ages["quarantined"] == {"least": None, "most": None}
    assert found["subscribers"] == {"websocket": 3, "sse": 1}
    assert found["event_loop_lag_seconds"] == 0.0
    assert found["end_to_end_latency_seconds"] == {"p50": 0.05, "p99": 0.099}


async def test_verbose_says_the_same_with_the_reason_while_it_is_not_ready(
    client: httpx.AsyncClient, service: Service
) -> None:
    service.headsets.add("h1", State.STALE)
    service.subscribers.draining = True
    response = await client.get("/readyz?verbose")
    assert_problem(response, 503, "the service is stopping")
    found = response.json()
    assert found["checks"]["accepting"]["ok"] is False
    assert found["troubled"]["stale"] == ["h1"]


async def test_verbose_says_whether_this_process_keeps_up_and_stays_ready(
    client: httpx.AsyncClient, service: Service
) -> None:
    for name in ("h1", "h2"):
        service.headsets.add(name, State.LIVE)
    known = service.headsets.known
    known["h2"] = known["h2"].model_copy(update={"overloaded": True})
    response = await client.get("/readyz?verbose")
    assert response.status_code == 200
    found = response.json()["keeping_up"]
    assert not found["ok"]
    assert "found samples taken too late, those of 1 headset, expected none" in found["detail"]
    assert "several ingests" in found["detail"]


class Guarded(Access):
    """Knows one credential, for one ward."""

    open = False

    def grant_of(self, authorization: str | None) -> Grant | None:
        if authorization is None:
            return None
        if authorization == "Bearer predict":
            return Grant("lab", (Scope.parse("predict"),))
        if authorization != "Bearer good":
            raise CredentialsError("found a key that is not known, expected one of this service")
        return Grant("ward", (Scope.parse("read:ward-*"),))


async def test_ids_are_listed_for_those_who_may_read_them(
    client: httpx.AsyncClient, service: Service
) -> None:
    service.access = Guarded()
    for name in ("ward-1", "lab-1"):
        service.headsets.add(name, State.LOST)
    assert (await client.get("/readyz")).status_code == 200
    for headers in ({}, {"Authorization": "Bearer bad"}):
        response = await client.get("/readyz?verbose", headers=headers)
        assert_problem(response, 401, "expected")
        assert response.headers["www-authenticate"] == "Bearer"
        assert "-1" not in response.text
    response = await client.get("/readyz?verbose", headers={"Authorization": "Bearer predict"})
    assert_problem(response, 403, "expected read:*")
    response = await client.get("/readyz?verbose", headers={"Authorization": "Bearer good"})
    assert response.json()["troubled"]["lost"] == ["ward-1"]
    assert response.json()["headsets"]["lost"] == 2


# -- where the numbers and the documentation are -----------------------------------------------


async def test_numbers_that_are_elsewhere_say_so(service: Service) -> None:
    async with asking(service) as client:
        response = await client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain")
        assert "emotion_headsets" in response.text
    async with asking(service, metrics=False) as client:
        assert_problem(await client.get("/metrics"), 404, "--metrics-port")


@pytest.fixture
async def clock(service: Service) -> Time:
    """Return the time by which the event loop's lag is measured, for which no sleep has ended."""
    clock = Time(0.0)
    service.lag = await lag_after(clock, [])
    return clock


@pytest.fixture
async def beside(service: Service, clock: Time) -> AsyncIterator[httpx.AsyncClient]:
    """Request from the separate port for metrics."""
    server = metrics_server(service.vitals(), service.access.origins)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            await server.answering.wait()
            address = "http://{}:{}".format(*listener.getsockname())
            async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
                yield client
            server.should_exit = True


async def test_probes_may_ask_the_port_of_the_numbers(
    beside: httpx.AsyncClient, service: Service, clock: Time
) -> None:
    service.access = Guarded()  # which probes know nothing of
    for path in ("/livez", "/readyz", "/readyz?verbose"):
        response = await beside.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
    service.subscribers.draining = True
    assert_problem(await beside.get("/readyz"), 503, "the service is stopping")
    assert (await beside.get("/livez")).status_code == 200
    clock.now += 0.25 + 2.0
    assert_problem(await beside.get("/livez"), 503, "found the event loop 2.0 s late")


async def test_the_port_of_the_numbers_answers_with_problems_too(
    beside: httpx.AsyncClient,
) -> None:
    assert_problem(await beside.get("/v1/headsets"), 404, "found no path '/v1/headsets'")
    refused = await beside.post("/metrics")
    assert_problem(refused, 405, "Method Not Allowed")
    assert refused.headers["allow"] == "GET, HEAD"


async def test_the_port_of_the_numbers_answers_to_no_unknown_name(
    beside: httpx.AsyncClient,
) -> None:
    for path in ("/metrics", "/livez", "/nothing"):
        refused = await beside.get(path, headers={"Host": "rebound.evil.net:9100"})
        assert_problem(refused, 403, "found the Host 'rebound.evil.net:9100'")
    assert (await beside.get("/metrics", headers={"Host": "localhost:9100"})).status_code == 200


async def test_beyond_this_machine_the_port_of_the_numbers_answers_to_its_networks_names(
    service: Service,
) -> None:
    server = metrics_server(service.vitals(), service.access.origins, any_host=True)
    app: Any = server.config.app
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway-1:9100") as client:
        assert (await client.get("/metrics")).status_code == 200


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104
def test_the_port_of_the_metrics_is_on_loopback_by_default(host: str, loopback: bool) -> None:
    assert load_settings(metrics_host=host).metrics_loopback is loopback
    assert load_settings().metrics_loopback


async def test_documentation_can_be_left_out(service: Service) -> None:
    paths = ("/docs", "/openapi.json", "/docs/oauth2-redirect", "/static-offline-docs/favicon.png")
    async with asking(service, docs=False) as client:
        for path in paths:
            assert_problem(await client.get(path), 404, f"found no path '{path}'")
        assert (await client.get("/livez")).status_code == 200


async def read_until(stream: asyncio.StreamReader, words: str) -> str:
    async with asyncio.timeout(100):
        while words not in (line := (await stream.readline()).decode()):
            assert line
    return line


@pytest.mark.timeout(300)
@pytest.mark.needs("time")
async def test_a_daemon_has_them_on_a_port_of_their_own_and_tells_of_silence() -> None:
    """1. A daemon and a headset. 2. The headset loses half a second. 3. It freezes. 4. It goes on.

    5. It is killed. Result: the loss, stale and lost are shown, and it is ready all the while.
    """
    session = secrets.token_hex(8)
    async with contextlib.AsyncExitStack() as stack:
        daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "eeg_emotion", "serve", "--host", "127.0.0.1", "--port", "0",
            "--metrics-port", "0", "--no-docs", "--log-format", "json", "--session-id", session,
            stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        stack.push_async_callback(daemon.wait)

        def kill() -> None:
            if daemon.returncode is None:
                daemon.kill()

        stack.callback(kill)
        assert daemon.stdout is not None
        assert daemon.stderr is not None
        person = SimulatedPerson(5, 1).run(0, 128.0).next(120 * 128, 0.5, -0.5)
        headset = stack.enter_context(headset_process(session, "h1", person, "drop 0.5s @1"))
        address = (await read_until(daemon.stdout, "ready")).split()[1]
        served = await read_until(daemon.stderr, "metrics served")
        numbers: str = httpx.Response(200, text=served).json()["address"]
        assert numbers.startswith("http://127.0.0.1:")
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))

        async def verbose() -> Any:
            return (await http.get(f"{address}readyz?verbose")).json()

        async def until(state: State) -> Any:
            lines = {
                f'emotion_headsets{{state="{state}"}} 1.0',
                "emotion_eeg_samples_missing_total 64.0",
            }
            async with asyncio.timeout(100):
                while True:
                    found, shown = await verbose(), (await http.get(numbers)).text
                    assert found["status"] == "ok"
                    # The change may come between the two requests.
                    is_told = found["headsets"][state] == 1 and found["samples"]["missing"] == 64
                    if is_told and lines <= set(shown.splitlines()):
                        break
                    await asyncio.sleep(0.1)
            assert found["samples"]["received"] > 0
            assert "simulated" not in shown.replace("demo-simulated", "")
            return found

        assert_problem(await http.get(f"{address}metrics"), 404, f"they are at {numbers}")
        assert (await http.get(f"{address}docs")).status_code == 404
        assert (await http.get(numbers.replace("metrics", "livez"))).json() == {"status": "ok"}
        assert (await http.get(numbers.replace("metrics", "readyz"))).json() == {"status": "ok"}
        assert_problem(await http.get(numbers.replace("metrics", "v1/headsets")), 404, "found no")
        assert (await until(State.LIVE))["troubled"]["stale"] == []
        headset.send_signal(signal.SIGSTOP)
        (identifier,) = (await until(State.STALE))["troubled"]["stale"]
        headset.send_signal(signal.SIGCONT)
        await until(State.LIVE)
        headset.kill()
        assert (await until(State.LOST))["troubled"]["lost"] == [identifier]
        daemon.terminate()
        async with asyncio.timeout(60):
            _, errors = await daemon.communicate()
        assert daemon.returncode == 0
        events = [httpx.Response(200, text=line).json() for line in errors.decode().splitlines()]
        silences = [item for item in events if item["event"] == "headset silent"]
        assert {(item["level"], item["headset"]) for item in silences} == {("warning", identifier)}
        assert events[-1]["event"] == "stopping"
