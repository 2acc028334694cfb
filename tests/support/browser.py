"""A real browser, driven over the Chrome DevTools Protocol, and programs beside it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.support.needs import CHROMIUMS, find_program
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

# Where the machine stands still for a while, the page takes it for a sleep and reconnects.
GAVE_UP = "WebSocket is closed before the connection is established"
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
        self._target = ""
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()

    async def listen(self) -> None:
        """Receive answers and events until the browser is gone."""
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
            case "Log.entryAdded" if GAVE_UP in params["entry"]["text"]:
                pass
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
        answer = await asyncio.wait_for(self._answers[number], 100)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def attach(self) -> None:
        """Open a tab and listen to all that happens in it."""
        target = await self.call("Target.createTarget", url="about:blank")
        self._target = target["targetId"]
        attached = await self.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def close(self) -> None:
        """Close the tab."""
        self._session = None
        await self.call("Target.closeTarget", targetId=self._target)

    async def open(self, url: str) -> None:
        """Go to an address, and wait until it is loaded."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), 100)

    @contextlib.asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Hide and freeze the tab meanwhile, and show it again afterwards."""
        await self.call("Emulation.setFocusEmulationEnabled", enabled=False)
        await self.call("Page.setWebLifecycleState", state="frozen")
        yield
        await self.call("Page.setWebLifecycleState", state="active")
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    @contextlib.asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Stop all tabs' processes meanwhile, as on a computer that sleeps."""
        session, self._session = self._session, None
        processes = (await self.call("SystemInfo.getProcessInfo"))["processInfo"]
        self._session = session
        renderers = [each["id"] for each in processes if each["type"] == "renderer"]
        for renderer in renderers:
            os.kill(renderer, signal.SIGSTOP)
        try:
            yield
        finally:
            for renderer in renderers:
                os.kill(renderer, signal.SIGCONT)

    async def value(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, condition: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """Wait in the page until a condition on `now` holds; return what it then shows."""
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


@contextlib.contextmanager
def browser(binary: str, profile: Path) -> Iterator[str]:
    """Run a browser; gives the address at which it is driven."""
    command = [
        binary,
        "--headless",
        "--no-sandbox",  # it shows nothing but our own page, and a container's root has none
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        start = "DevTools listening on "
        try:
            address = next(line for line in process.stderr if line.startswith(start))
            # It says much more, and must not be blocked.
            reading = Thread(target=process.stderr.read)
            reading.start()
            yield address.removeprefix(start).strip()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
        reading.join()


@contextlib.asynccontextmanager
async def tab(address: str) -> AsyncIterator[Page]:
    """Open a tab in a browser, and close it."""
    async with connect(address, proxy=None, max_size=None, ping_interval=None) as socket:
        page = Page(socket)
        async with background(page.listen()):
            await page.attach()
            yield page
            await page.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a browser; gives the address at which it is driven."""
    binary = find_program(*CHROMIUMS)
    assert binary is not None
    with browser(binary, tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    """Return a tab of its own."""
    async with tab(chromium) as page:
        yield page


async def first_line(stream: asyncio.StreamReader | None, start: str) -> str:
    """Read up to the line that starts so; return its rest."""
    assert stream is not None
    async for line in stream:
        text = line.decode()
        if text.startswith(start):
            return text.removeprefix(start).strip()
    raise AssertionError(f"the program ended without saying {start!r}")
