"""Alarms and the overview on the page, in a real browser."""

from __future__ import annotations

import asyncio
import sys
import uuid
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

import pytest
from tests.support.browser import Page, first_line, program
from tests.support.service import Service

from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import RaisedAlarm, Severity
from eeg_emotion.publish.messages import Status

pytestmark = pytest.mark.slow

ALARMS = 'document.getElementById("alarm-list").innerText'
TILES = '[...document.querySelectorAll(".tile-name")].map((name) => name.textContent)'
RULES = """
[[rule]]
name = "any-score"
text = "There is a score."
severity = "critical"
when = [{ of = "arousal", above = 0.0 }]
"""


@pytest.mark.timeout(120)
async def test_an_alarm_of_a_replay_is_shown_announced_and_acknowledged(
    page: Page, tmp_path: Path
) -> None:
    """1. A daemon with a rule, and a replay. 2. The alarm appears. 3. Its button is pressed."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    session = ("--session-id", f"page-{uuid.uuid4().hex}")
    start = (sys.executable, "-m", "eeg_emotion")
    store = ("--event-store", f"sqlite:///{tmp_path / 'events.db'}", "--rules", str(rules))
    serve = (*start, "serve", "--quiet", "--port", "0", *store, *session)
    async with program(*serve, stdout=PIPE) as daemon:
        async with asyncio.timeout(60):
            address = await first_line(daemon.stdout, "ready ")
        await page.open(address)
        await page.until('document.getElementById("connection").dataset.state === "connected"')
        assert not await page.value('document.getElementById("alarms").checkVisibility()')
        async with program(*start, "replay", "--simulate", "7", *session, stdout=DEVNULL):
            await page.until(f'{ALARMS}.includes("not acknowledged")')
            shown = await page.value(ALARMS)
            assert "critical" in shown
            assert "There is a score." in shown
            assert "any-score" in shown
            assert await page.value("document.title") == "(1) eeg-emotion"
            said = await page.value('document.getElementById("alarm-news").textContent')
            assert said.endswith(": There is a score.")

            await page.value('document.querySelector("#alarm-list button").click()')
            await page.until(f'{ALARMS}.includes("acknowledged by anonymous")')
            assert not await page.value(
                'document.querySelector("#alarm-list button").checkVisibility()'
            )
        # What is asked for when the daemon ends is not answered any more.
        assert page.complaints == []


async def test_what_needs_attention_comes_first_and_a_tile_chooses_its_headset(
    page: Page, service: Service, address: str
) -> None:
    headsets: Any = service.headsets
    for name, state in (("h1", State.LIVE), ("h2", State.LOST), ("h3", State.LIVE)):
        headsets.add(name, state)
    alarm = RaisedAlarm(
        alarm="0" * 32, rule="lost", severity=Severity.CRITICAL, text="Gone.", since=1e9
    )
    headsets.known["h3"] = headsets.known["h3"].model_copy(update={"alarms": (alarm,)})
    await page.open(f"http://{address}")
    await page.until(f'{TILES}.join() === "Headset h3,Headset h2,Headset h1"')
    summary = await page.value('document.getElementById("overview-summary").textContent')
    assert summary == (
        "3 headsets: 0 with an estimate, 2 without, 1 stale, lost or quarantined, 1 alarm."
    )
    await page.value('document.querySelectorAll(".tile")[1].click()')
    await page.until('document.getElementById("headset-name").textContent === "Headset h2"')
    pressed = '[...document.querySelectorAll(".tile")].map((tile) => tile.ariaPressed)'
    assert await page.value(pressed) == ["false", "true", "false"]
    tile = await page.value('document.querySelectorAll(".tile")[1].innerText')
    assert "lost" in tile
    assert "no valid estimate so far" in tile


async def test_tiles_keep_their_place_beneath_the_keyboard_and_are_sorted_afterwards(
    page: Page, service: Service, address: str
) -> None:
    headsets: Any = service.headsets
    for name in ("h1", "h2"):
        headsets.add(name)
    await page.open(f"http://{address}")
    await page.until(f'{TILES}.join() === "Headset h1,Headset h2"')
    await page.value('document.querySelector(".tile").focus()')
    await page.value("new Promise((done) => setTimeout(done, 3500))")
    lost = headsets.add("h2", State.LOST)
    service.bus.publish(Status(headset=lost))
    await page.until('document.querySelectorAll(".tile")[1].innerText.includes("lost")')
    assert await page.value(TILES) == ["Headset h1", "Headset h2"]
    await page.value("document.activeElement.blur()")
    await page.until(f'{TILES}.join() === "Headset h2,Headset h1"')


async def test_one_headset_needs_no_overview(page: Page, service: Service, address: str) -> None:
    headsets: Any = service.headsets
    headsets.add("h1")
    await page.open(f"http://{address}")
    await page.until('document.getElementById("headset-name").textContent === "Headset h1"')
    assert not await page.value('document.getElementById("overview").checkVisibility()')


async def test_an_acknowledgement_that_is_refused_says_why(
    page: Page, service: Service, address: str
) -> None:
    headsets: Any = service.headsets
    headsets.add("h1")
    alarm = RaisedAlarm(
        alarm="0" * 32, rule="lost", severity=Severity.WARNING, text="Gone.", since=1e9
    )
    headsets.known["h1"] = headsets.known["h1"].model_copy(update={"alarms": (alarm,)})
    await page.open(f"http://{address}")
    await page.until(f'{ALARMS}.includes("Gone.")')
    await page.value('document.querySelector("#alarm-list button").click()')
    await page.until(f'{ALARMS}.includes("found no raised alarm")')
