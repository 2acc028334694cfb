"""The page in a real browser, against the real daemon and a simulated headset."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
import uuid
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.browser import Page, first_line
from tests.support.page import assert_shown, assert_withheld, part
from tests.support.proxy import Proxy
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.codes import Purpose
from eeg_emotion.publish.history import History
from eeg_emotion.publish.messages import Prediction, Status, WindowSpan

pytestmark = pytest.mark.slow

Predict = Callable[..., Prediction]
Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.mark.timeout(180)
async def test_the_page_shows_the_present_and_never_the_past_as_the_present(page: Page) -> None:
    """A wearer puts the headset on, loses it, and puts it on again.

    1. The daemon runs without a headset: the page is connected and shows no value.
    2. The headset appears: it is live, warms up without a value, and then arousal and valence
       appear and change.
    3. The headset's process is killed: the values disappear at once, and the reason is shown.
    4. It is started again: values come back.
    5. The daemon stops: no state is known any more, and no value shown.

    Result: what is simulated is called so throughout, the console is clean, and the page asked
    for nothing from anywhere but the daemon.
    """
    session = ("--session-id", f"page-{uuid.uuid4().hex}")
    headset = ("replay", "--simulate", "7", *session)
    async with part("serve", "--quiet", "--port", "0", *session, stdout=PIPE) as daemon:
        async with asyncio.timeout(60):
            address = await first_line(daemon.stdout, "ready ")
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
        assert now["region"] == f"arousal unsure, {now['labels'][1]} valence"
        await page.until('now.plane.includes("arousal unsure, ")')
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

        # The header leads to a description of the calibration.
        await page.value('document.getElementById("model-link").click()')
        view = 'document.getElementById("model-view").innerText'
        await page.until(f"{view}.includes('never unsure')")
        reported = await page.value(view)
        assert re.search(r"temperature \d\.\d\d; .*unsure from 0\.00 to 1\.00", reported)
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
        assert "rest baseline" in await page.value('document.getElementById("fix-now").textContent')
        assert page.complaints == []


CONNECTED = 'document.getElementById("connection").dataset.state === "connected"'
# Each number and whether it was shown as the present, from now on, with the time of its showing.
WATCH = """
(() => {
  globalThis.shown = [];
  const look = () => {
    const current = document.getElementById("estimate").dataset.current === "true";
    const seq = Number(document.getElementById("seq").textContent);
    const last = shown.at(-1);
    if (last?.seq !== seq || last?.current !== current) {
      shown.push({ seq, current, at: performance.now() });
    }
  };
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver(look).observe(document.body, all);
  globalThis.woken = null;
  const wake = () => { woken ??= performance.now(); };
  document.addEventListener("resume", wake);
  let last = performance.now();
  setInterval(() => {
    if (performance.now() - last > 2000) wake();
    last = performance.now();
  }, 20);
})()
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["frozen", "stopped"])
async def test_a_page_suspended_for_five_minutes_shows_the_present_within_a_second(
    page: Page, service: Service, serving: Serving, prediction: Predict, how: str
) -> None:
    """Three hundred windows pass while it stands still, in three seconds of this test's time.

    It is closed as slow meanwhile. On waking it finds those that were on their way, five minutes
    old, and what it shows as the present is the newest.
    """
    later = {"seconds": 0.0}
    service.clock = lambda: time.monotonic() + later["seconds"]
    service.bus.history = History(lambda: service.clock())

    def window(seq: int, age: float) -> Prediction:
        end = time.time() - age
        return prediction(seq=seq, window=WindowSpan(start=end - 5, end=end))

    async with serving() as address:
        service.bus.publish(Status(headset=service.headsets.add("h1")))
        await page.open(f"http://{address}")
        await page.until('now.reason.includes("No window has been scored yet")')
        service.bus.publish(window(0, 0))  # once the page stands: its time as the present is short
        await page.until("now.current && now.seq === '0'")
        await page.value(WATCH)
        async with page.frozen() if how == "frozen" else page.stopped():
            for seq in range(1, 300):
                service.bus.publish(window(seq, 300 - seq))
                later["seconds"] = seq
                await asyncio.sleep(0.01)
            await service.bus.until_subscribers(0)
            service.bus.publish(window(300, 0))
            slow = {"reason": "slow"}
            value = service.metrics.registry.get_sample_value
            assert value("emotion_subscribers_closed_total", slow) == 1
        await page.until("now.current && now.seq === '300'", seconds=5)
        shown = await page.value("shown.map(({ seq, current, at }) => [seq, current, at - woken])")
        after = [(seq, current, at) for seq, current, at in shown if at >= 0]
        present = [(seq, at) for seq, current, at in after if current]
        assert present[0][0] == 300
        assert present[0][1] < 1000


async def test_what_was_missed_goes_into_the_curves_and_not_into_the_present(
    page: Page, service: Service, serving: Serving, prediction: Predict
) -> None:
    now = time.time()

    def window(seq: int, age: float) -> Prediction:
        return prediction(seq=seq, window=WindowSpan(start=now - age - 5, end=now - age))

    async with serving() as address, Proxy(address) as proxy:
        service.bus.publish(Status(headset=service.headsets.add("h1")))
        service.bus.publish(window(0, 40))
        await page.open(f"http://{proxy.address}")
        await page.until("now.seq === '0'")
        await page.value(WATCH)
        proxy.target = "127.0.0.1:9"  # nobody is there
        proxy.cut()
        await page.until('document.getElementById("connection").dataset.state === "waiting"')
        for seq in range(1, 31):
            service.bus.publish(window(seq, 40 - seq))
        proxy.target = address
        now_shown = await page.until("now.seq === '30'")
        assert not now_shown["current"]
        assert not [each for each in await page.value("shown") if each["current"]]
        curve = "document.getElementById('curves').data?.[0].x"
        await page.until(f"{curve}?.length === 31")
        assert await page.value(f"{curve}.every((x, i, all) => i === 0 || all[i - 1] < x)")


async def test_a_service_that_asks_for_a_key_is_given_it_from_a_dialog(
    page: Page, service: Service, serving: Serving, tmp_path: Path
) -> None:
    later = {"seconds": 0}
    service.utc = lambda: time.time() + later["seconds"]
    store = KeyStore(tmp_path / "keys.json", utc=service.utc)
    secret = store.add("wallboard", (Scope.parse("read:*"),), expires=time.time() + 100)
    service.access = Access(keys=store)
    asks = 'document.getElementById("key-dialog").open'
    why = 'document.getElementById("key-why").textContent'

    async def enter(text: str) -> None:
        await page.until(asks)
        assert await page.value("document.activeElement.id") == "key-input"
        await page.call("Input.insertText", text=text)
        await page.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")

    async with serving() as address:
        service.bus.publish(Status(headset=service.headsets.add("h1")))
        await page.open(f"http://{address}")
        await page.until(asks)
        assert await page.value(why) == "The person who runs the service can make one for you."
        header = 'document.getElementById("connection-state").textContent'
        said = "not connected: this service asks for a key"
        await page.until(f"{header} === {said!r}")
        assert await page.value('document.getElementById("key-input").type') == "password"

        # Escape leaves it, and the button asks again.
        await page.call(
            "Input.dispatchKeyEvent", type="keyDown", key="Escape", windowsVirtualKeyCode=27
        )
        await page.until(f"!{asks}")
        assert await page.value("sessionStorage.length") == 0
        await page.value('document.getElementById("connect-now").click()')

        await enter("eeg_wallboard_wrong")
        await page.until(f"{asks} && {why}.startsWith('found')")
        assert await page.value("sessionStorage.length") == 0  # what was refused is forgotten

        await enter(secret)
        await page.until(CONNECTED)
        assert not await page.value(asks)
        assert "wallboard" in await page.value('document.getElementById("purpose").innerText')

        # It lasts as long as the tab, and is in no other place.
        await page.open(f"http://{address}")
        await page.until(CONNECTED)
        assert not await page.value(asks)
        kept = "[sessionStorage.length, localStorage.length, document.cookie]"
        assert await page.value(kept) == [1, 0, ""]
        assert await page.value(f"document.documentElement.outerHTML.includes({secret!r})") is False
        assert not [url for url in page.addresses if secret in url]

        # A new key is requested once one has expired.
        later["seconds"] = 200
        await page.until(asks)
        assert await page.value("sessionStorage.length") == 0
        assert page.complaints == []


async def test_the_purpose_is_shown_with_its_reason(
    page: Page, service: Service, serving: Serving
) -> None:
    service.purpose, service.justification = Purpose.WORKPLACE, "a study of shift work"
    async with serving() as address:
        await page.open(f"http://{address}")
        await page.until(CONNECTED)
        reported = await page.value('document.getElementById("purpose").innerText')
    assert reported == "Run at a place of work. Stated reason: “a study of shift work”."


@contextlib.asynccontextmanager
async def headset_and_daemon(model: Path) -> AsyncIterator[str]:
    """Run both with this model; gives the page's address."""
    session = ("--session-id", f"page-{uuid.uuid4().hex}")
    serve = ("serve", "--quiet", "--port", "0", "--model", str(model), *session)
    async with part(*serve, stdout=PIPE) as daemon:
        async with asyncio.timeout(60):
            address = await first_line(daemon.stdout, "ready ")
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


async def test_the_page_paints_within_a_second(page: Page, serving: Serving) -> None:
    """Over the loopback something is seen within a second, at least once in five visits."""
    async with serving() as address:
        took = []
        for _ in range(5):
            await page.open(f"http://{address}/")
            took.append(
                await page.value(
                    """new Promise((done) => new PerformanceObserver((list) => {
                        const [paint] = list.getEntriesByName("first-contentful-paint");
                        if (paint) done(paint.startTime);
                    }).observe({ type: "paint", buffered: true }))"""
                )
            )

    assert min(took) < 1000, took
