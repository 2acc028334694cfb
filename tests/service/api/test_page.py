"""The page in a real browser, against the real daemon and a simulated headset."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import sys
import uuid
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.slow

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What a browser shows as the newest estimate, read in one go.
NOW = """({
  state: document.getElementById("headset-state").dataset.state,
  current: document.getElementById("estimate").dataset.current === "true",
  reason: document.getElementById("reason").textContent,
  arousal: document.getElementById("arousal-value").textContent,
  valence: document.getElementById("valence-value").textContent,
  labels: ["arousal", "valence"].map((t) => document.getElementById(`${t}-label`).textContent),
  region: document.getElementById("quadrant").textContent,
  seq: document.getElementById("seq").textContent,
  plane: document.getElementById("plane").ariaLabel,
})"""
ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]
PROBABILITY = re.compile(r"[01]\.\d\d")


@contextlib.asynccontextmanager
async def program(*command: str | Path, **options: Any) -> AsyncIterator[Process]:
    """Run a program in a process group of its own, and end the whole group with it."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Its pipes are read to their end, or they would be left open.
        await process.communicate()


def part(*arguments: str, **options: Any) -> contextlib.AbstractAsyncContextManager[Process]:
    return program(sys.executable, "-m", "eeg_emotion", *arguments, **options)


@contextlib.asynccontextmanager
async def background(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run something meanwhile, and end it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Page:
    """One tab, driven over the Chrome DevTools Protocol.

    Attributes
    ----------
    complaints
        Errors and warnings of the console, and what was thrown.
    addresses
        Every address that the page asked for, WebSockets included.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self._socket = socket
        self._session: str | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()

    async def listen(self) -> None:
        """Take answers and events until the browser is gone."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                if "id" in message:
                    self._answers.pop(message["id"]).set_result(message)
                else:
                    self._note(message["method"], message["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.complaints.append(json.dumps(params["args"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(json.dumps(params["entry"]))
            case "Network.requestWillBeSent":
                self.addresses.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.addresses.append(params["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        await self._socket.send(json.dumps(message))
        answer = await asyncio.wait_for(self._answers[number], 60)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def attach(self) -> None:
        """Open a tab and listen to all that happens in it."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def open(self, url: str) -> None:
        """Go to an address, and wait until it is loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), 30)

    async def value(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, condition: str, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait in the page until a condition on `now` holds; give what it then shows."""
        found: dict[str, Any] | None = await self.value(
            f"""new Promise((done) => {{
                const end = performance.now() + {1000 * seconds};
                const look = () => {{
                    const now = {NOW};
                    if ({condition}) done(now);
                    else if (performance.now() > end) done(null);
                    else setTimeout(look, 20);
                }};
                look();
            }})"""
        )
        if found is None:
            text = await self.value("document.body.innerText")
            pytest.fail(f"not within {seconds} s: {condition}; {self.complaints}; page:\n{text}")
        return found


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    binary = next((path for name in CHROMIUMS if (path := shutil.which(name))), None)
    if binary is None:
        message = f"no Chromium on the PATH (looked for {', '.join(CHROMIUMS)})"
        if os.environ.get("CI"):
            pytest.fail(f"{message}; CI must have one")
        pytest.skip(message)
    chromium = program(
        binary,
        "--headless",
        "--no-sandbox",  # it shows nothing but our own page, and a container's root has none
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path / 'profile'}",
        "about:blank",
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    async with chromium as process:
        async with asyncio.timeout(60):
            address = await _line(process.stderr, "DevTools listening on ")
        async with (
            background(process.stderr.read()),  # it says much, and must not be blocked
            connect(address, proxy=None, max_size=None, ping_interval=None) as socket,
        ):
            page = Page(socket)
            async with background(page.listen()):
                await page.attach()
                yield page


async def _line(stream: asyncio.StreamReader | None, start: str) -> str:
    """Read up to the line that starts so; give its rest."""
    assert stream is not None
    async for line in stream:
        text = line.decode()
        if text.startswith(start):
            return text.removeprefix(start).strip()
    raise AssertionError(f"the program ended without saying {start!r}")


@pytest.mark.timeout(180)
async def test_the_page_shows_the_present_and_never_the_past_as_the_present(page: Page) -> None:
    """A wearer puts the headset on, loses it, and puts it on again.

    1. The daemon runs without a headset: the page is connected and shows no value.
    2. The headset appears: it is live, warms up without a value, and then arousal and valence
       appear and change.
    3. The headset's process is killed: the values go at once, and the reason is told.
    4. It is started again: values come back.
    5. The daemon stops: no state is known any more, and no value shown.

    Result: what is simulated is called so throughout, the console is clean, and the page asked
    for nothing from anywhere but the daemon.
    """
    session = ("--session-id", f"page-{uuid.uuid4().hex}")
    headset = ("replay", "--simulate", "7", *session)
    async with part("serve", "--quiet", "--port", "0", *session, stdout=PIPE) as daemon:
        async with asyncio.timeout(60):
            address = await _line(daemon.stdout, "ready ")
        await page.open(address)

        await page.until('document.getElementById("connection").dataset.state === "connected"')
        alone = await page.until('now.reason.includes("No headset has been found yet")')
        assert_withheld(alone)
        banner = 'document.getElementById("simulated")'
        assert await page.value(f"{banner}.checkVisibility()")
        assert "Trained on simulated people." in await page.value(f"{banner}.textContent")
        assert "simulated people" in await page.value(
            'document.getElementById("model-trained-on").textContent'
        )

        async with part(*headset, stdout=DEVNULL) as source:
            await page.until('now.state === "live"')
            assert "Simulated signal." in await page.value(f"{banner}.textContent")
            warming = await page.until('now.reason.includes("Warming up")')
            assert_withheld(warming)
            first = await page.until("now.current")
            assert_shown(first)
            # The charts are drawn, and show the same.
            await page.until('document.querySelector("#plane .main-svg") !== null')
            await page.until('document.querySelectorAll("#curves .scatterlayer path").length > 0')
            changed = await page.until(f"now.current && now.arousal !== {first['arousal']!r}")
            assert_shown(changed)
            changed = await page.until(f"now.current && now.valence !== {first['valence']!r}")
            assert_shown(changed)
            assert int(changed["seq"]) > int(first["seq"])

            os.killpg(source.pid, signal.SIGKILL)
            lost = await page.until('now.state === "lost"')
            assert_withheld(lost)
            assert "Lost: the headset is gone." in lost["reason"]
            last = await page.value('document.getElementById("arousal-last").textContent')
            assert re.fullmatch(r"was [01]\.\d\d, (just now|\d+ s ago)", last)

        async with part(*headset, stdout=DEVNULL):
            back = await page.until('now.state === "live"')
            assert_withheld(back)
            again = await page.until("now.current")
            assert_shown(again)
            assert page.complaints == []

        # Last, the daemon itself stops: no state is known, and no value is shown. A value that was
        # fresh may stay for the two hops that it is good for.
        daemon.send_signal(signal.SIGTERM)
        await page.until('document.getElementById("connection").dataset.state === "waiting"')
        gone = await page.until("!now.current")
        assert_withheld(gone)
        assert gone["state"] == "unknown"
        assert await asyncio.wait_for(daemon.wait(), 10) == 0

    own = urlsplit(address).netloc
    asked = [urlsplit(url) for url in page.addresses]
    assert {url.netloc for url in asked if url.scheme not in {"data", "blob", "about"}} == {own}
    assert "/v1/stream" in {url.path for url in asked}


@pytest.mark.timeout(180)
async def test_what_is_unsure_is_called_so_in_no_sides_colour_and_in_no_region(
    page: Page, model_file: ModelFile
) -> None:
    """A model that is always unsure of arousal and never of valence."""

    def change(fields: dict[str, Any]) -> None:
        for target in fields["targets"]:
            always = target["name"] == "arousal"
            target["calibration"]["unsure"] = [0.0, 1.0] if always else [0.5, 0.5]

    async with headset_and_daemon(model_file(change)) as address:
        await page.open(address)
        now = await page.until("now.current", seconds=60)
        assert_shown(now)
        assert now["labels"][0] == "unsure"
        assert now["labels"][1] in {"high", "low"}
        assert now["region"] == "none: unsure"
        await page.until('now.plane.includes("none: unsure")')
        for name in ("excited", "tense", "calm", "sad"):
            assert name not in now["plane"]

        assert await colours(page, "arousal-score") == await named(page, "unsure", "unsure")
        assert await colours(page, "valence-score") == await named(page, "text", "valence")
        point = "document.getElementById('plane').data[1].marker.color"
        unsure = await page.value(
            "getComputedStyle(document.documentElement).getPropertyValue('--unsure').trim()"
        )
        assert unsure
        assert await page.value(point) == unsure

        told = await page.value('document.getElementById("model-calibration").textContent')
        assert re.search(
            r"arousal temperature \d\.\d\d; .*unsure from 0\.00 to 1\.00; valence", told
        )
        assert told.endswith("never unsure")
        assert await page.value('document.getElementById("model-need").textContent') == ""
        assert page.complaints == []


@pytest.mark.timeout(180)
async def test_what_a_model_that_needs_rest_waits_for_is_said_in_words(
    page: Page, model_file: ModelFile
) -> None:
    rest = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 20}
    async with headset_and_daemon(
        model_file(lambda fields: fields.update(normaliser=rest))
    ) as address:
        await page.open(address)
        needs = "This model needs this person's rest baseline before it can score."
        now = await page.until(f"now.reason === 'No current estimate. ' + {needs!r}", seconds=60)
        assert now["state"] == "live"
        assert_withheld(now)
        assert await page.value('document.getElementById("model-need").textContent') == (
            "It needs each person's rest baseline before it can score."
        )
        assert page.complaints == []


@contextlib.asynccontextmanager
async def headset_and_daemon(model: Path) -> AsyncIterator[str]:
    """Run both with this model; gives the page's address."""
    session = ("--session-id", f"page-{uuid.uuid4().hex}")
    serve = ("serve", "--quiet", "--port", "0", "--model", str(model), *session)
    async with part(*serve, stdout=PIPE) as daemon:
        async with asyncio.timeout(60):
            address = await _line(daemon.stdout, "ready ")
        async with part("replay", "--simulate", "7", *session, stdout=DEVNULL):
            yield address


async def colours(page: Page, identifier: str) -> list[str]:
    """The colours of an element's text and of its border, as the browser draws them."""
    found: list[str] = await page.value(
        f"""(() => {{
            const style = getComputedStyle(document.getElementById({identifier!r}));
            return [style.color, style.borderLeftColor];
        }})()"""
    )
    return found


async def named(page: Page, *names: str) -> list[str]:
    """Colours of style.css, as the browser draws them."""
    found: list[str] = await page.value(
        f"""{list(names)!r}.map((name) => {{
            const probe = document.body.appendChild(document.createElement("i"));
            probe.style.color = `var(--${{name}})`;
            const colour = getComputedStyle(probe).color;
            probe.remove();
            return colour;
        }})"""
    )
    return found


def assert_shown(now: dict[str, Any]) -> None:
    assert now["current"]
    assert now["reason"] == "Current estimate."
    assert PROBABILITY.fullmatch(now["arousal"])
    assert PROBABILITY.fullmatch(now["valence"])
    assert now["region"] != "–"


def assert_withheld(now: dict[str, Any]) -> None:
    assert not now["current"]
    assert now["reason"].startswith("No current estimate. ")
    assert (now["arousal"], now["valence"], now["region"]) == ("–", "–", "–")
    assert "no current estimate" in now["plane"] or "no estimate yet" in now["plane"]
