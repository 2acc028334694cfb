"""What a person watching would see, in a real browser: daemon and headset are the real ones."""

from __future__ import annotations

import threading
import uuid
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.browser import Page, first_line
from tests.support.page import assert_shown, assert_withheld, part

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.replay.replayer import Replayer

pytestmark = pytest.mark.slow

ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]
# Keeps the region shown for each window, from the moment on at which it is evaluated.
WATCH = """
window.regions = new Map();
setInterval(() => {
  const of = (id) => document.getElementById(id);
  if (of("estimate").dataset.current === "true")
    regions.set(Number(of("seq").textContent), of("quadrant").textContent);
}, 50)
"""
FIX = 'document.getElementById("fix-now").textContent'
BELIEVE = 'document.getElementById("belief").textContent'
REST = 'document.getElementById("rest-guide")'


@asynccontextmanager
async def daemon(session: str, *options: str) -> AsyncIterator[str]:
    """Run the daemon alone; gives the page's address."""
    serve = ("serve", "--quiet", "--port", "0", "--session-id", session, *options)
    async with part(*serve, stdout=PIPE) as process:
        yield await first_line(process.stdout, "ready ")


@contextmanager
def played(recording: Recording) -> Iterator[None]:
    """Replay a recording meanwhile, from this process."""
    stop = threading.Event()
    thread = threading.Thread(target=Replayer(recording).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.timeout(120)
async def test_a_planted_state_is_shown_in_its_quadrant_and_so_is_its_change(
    page: Page, lsl_session: str
) -> None:
    """A simulated person is tense for 20 s and calm after it.

    Result: of the windows that lie in either part, two thirds are shown in its quadrant, and none
    in the opposite one.
    """
    run = SimulatedPerson(2026, 3).run(0, 128.0)  # one whom the demo model seldom gets wrong
    tense, calm = run.next(20 * 128, 0.75, -0.75), run.next(120 * 128, -0.75, 0.75)
    samples = np.concatenate([tense, calm], axis=1)
    recording = Recording(
        name="Planted state",
        source_id=f"planted-{uuid.uuid4().hex}",
        channels=DEAP32,
        units=("uV",) * len(DEAP32),
        sfreq=128.0,
        manufacturer="test",
        simulated=True,
        stretches=lambda: iter([Stretch(samples)]),
    )
    async with daemon(lsl_session) as address:
        await page.open(address)
        await page.value(WATCH)
        with played(recording):
            await page.until("Math.max(...regions.keys()) >= 32", seconds=90)
        shown = dict(await page.value("[...regions]"))
        assert page.complaints == []
    # Window `seq` is of the seconds `seq` to `seq + 5`.
    regions = {
        "tense · distressed": [region for seq, region in shown.items() if seq + 5 <= 20],
        "calm · relaxed": [region for seq, region in shown.items() if seq >= 20],
    }
    opposite = dict(zip(regions, reversed(regions), strict=True))
    for expected, found in regions.items():
        assert len(found) >= 10
        assert found.count(expected) > len(found) * 2 / 3, found
        assert opposite[expected] not in found


@pytest.mark.timeout(120)
async def test_a_fault_is_shown_with_what_to_fix_and_values_return(page: Page) -> None:
    """1. A good signal. 2. The headset is taken off for 4 s. 3. It is back. 4. Fp1 goes flat."""
    session = f"page-{uuid.uuid4().hex}"
    faults = ("--fault", "flat all 4s @18; flat Fp1 @38")
    async with daemon(session) as address:
        await page.open(address)
        replay = ("replay", "--simulate", "7", "--session-id", session, *faults)
        async with part(*replay, stdout=DEVNULL):
            assert_shown(await page.until("now.current", seconds=60))
            assert await page.value(FIX) == "Nothing."
            assert await page.value(BELIEVE) == "Yes, as a simulation"

            off = await page.until('now.reason.includes("does not seem to be worn")')
            assert_withheld(off)
            assert await page.value(BELIEVE) == "No"
            assert await page.value(FIX) == Reason.NOT_WORN.remedy

            assert_shown(await page.until("now.current"))
            await page.until(f'{FIX} === "Nothing."')

            await page.until(f'{FIX}.includes("Fp1")')
            filled_in = await page.until("now.current")
            assert_shown(filled_in)
            assert await page.value(BELIEVE) == "With care"
            fp1 = "Fp1 gives no signal: check that it is plugged in and touches the skin."
            assert await page.value(FIX) == fp1
        assert page.complaints == []


@pytest.mark.timeout(120)
async def test_a_person_is_led_through_rest_and_then_scored(
    page: Page, model_file: ModelFile
) -> None:
    """Rest is asked for, begun by its button, counted down, applied, and what it changed shown."""
    rest = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 5}
    model = model_file(lambda fields: fields.update(normaliser=rest))
    session = f"page-{uuid.uuid4().hex}"
    async with daemon(session, "--model", str(model)) as address:
        await page.open(address)
        async with part("replay", "--simulate", "7", "--session-id", session, stdout=DEVNULL):
            before = await page.until('now.reason.includes("rest baseline")', seconds=60)
            assert_withheld(before)
            start = f"[...{REST}.querySelectorAll('button')].find((b) => b.textContent === 'Start')"
            await page.until(f"{start}?.checkVisibility()")
            await page.value(f"{REST}.querySelector('input').value = 5")
            await page.value(f"{start}.click()")

            left = f"{REST}.querySelector('.rest-countdown')?.textContent"
            await page.until(f"Number({left}) === 5")
            await page.until(f"0 < Number({left}) && Number({left}) < 5")
            assert_withheld(await page.until("true"))

            await page.until(f"{REST}.innerText.includes('Rest baseline in use')")
            assert_shown(await page.until("now.current"))
            cells = f"[...{REST}.querySelectorAll('td')].map((cell) => cell.textContent)"
            await page.until(f"{cells}[1] !== '–'")
            arousal_before, arousal, valence_before, valence = await page.value(cells)
            assert (arousal_before, valence_before) == ("–", "–")
            for reported in (arousal, valence):
                probability, label = reported.split()
                assert 0 <= float(probability) <= 1
                assert label in {"low", "unsure", "high"}
        assert page.complaints == []
