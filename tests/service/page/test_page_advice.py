"""What the page answers at the top: the state, whether to believe it, and what to fix."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.codes import Reason, State, Trouble
from eeg_emotion.publish.messages import (
    ChannelQuality,
    Detail,
    Prediction,
    Score,
    Status,
    WindowSpan,
)

pytestmark = pytest.mark.slow

Predict = Callable[..., Prediction]
ANSWERS = """["quadrant", "belief", "belief-why", "fix-now"].map(
    (id) => document.getElementById(id).textContent)"""
FIXES = '[...document.querySelectorAll("#fix-first li")].map((item) => item.textContent)'


def span() -> WindowSpan:
    now = time.time()
    return WindowSpan(start=now - 5, end=now)


def detail(seq: int, score: float, trouble: Trouble | None) -> Detail:
    return Detail(
        headset="h1",
        epoch="e0",
        seq=seq,
        window=span(),
        overall=score,
        faults=(),
        interpolated=(),
        channels=(
            ChannelQuality(label="Fp1", score=score, trouble=trouble),
            ChannelQuality(label="X9", score=1.0, trouble=None),
        ),
        regions=(),
    )


async def test_the_answers_follow_the_headset(
    page: Page, service: Service, address: str, prediction: Predict
) -> None:
    """1. No headset. 2. A good signal. 3. An electrode fails. 4. The headset is lost."""
    headsets: Any = service.headsets
    bus: Any = service.bus
    await page.open(f"http://{address}")
    await page.until('now.reason.includes("No headset")')
    assert await page.value(ANSWERS) == [
        "no estimate",
        "No",
        "",
        "Switch a headset on. It appears here by itself.",
    ]

    service.bus.publish(Status(headset=headsets.add("h1")))
    await bus.until_details("h1")
    high, low = Score(probability=0.8, label="high"), Score(probability=0.1, label="low")
    good = {"epoch": "e0", "arousal": high, "valence": low}
    service.bus.publish(prediction("h1", 0, window=span(), **good))
    service.bus.publish(detail(0, 1.0, None))
    await page.until("now.current")
    assert await page.value(ANSWERS) == [
        "tense · distressed",
        "Yes, as a simulation",
        "Good signal. Signal and model are simulated.",
        "Nothing.",
    ]

    unscored = Score(probability=None, label=None)
    bad = {"valid": False, "reasons": (Reason.POOR_CONTACT,), "quality": 0.4}
    bad |= {"arousal": unscored, "valence": unscored}
    service.bus.publish(prediction("h1", 1, epoch="e0", window=span(), **bad))
    service.bus.publish(detail(1, 0.1, Trouble.FLAT))
    await page.until('document.querySelectorAll("#fix-first li").length === 1')
    assert await page.value(ANSWERS) == [
        "no estimate",
        "No",
        "",
        "Press the worst electrodes to the skin, or add gel or water.",
    ]
    (electrode,) = await page.value(FIXES)
    assert electrode.startswith("Fp1 gives no signal")
    unplaced = await page.value('document.getElementById("unplaced").textContent')
    assert unplaced == "Not on the map, since their place is not known: X9."

    service.bus.publish(Status(headset=headsets.add("h1", State.LOST)))
    await page.until('now.state === "lost"')
    *_, fix = await page.value(ANSWERS)
    assert fix.startswith("Switch the headset on again")
    assert page.complaints == []


def estimate(**changes: Any) -> dict[str, Any]:
    sure = {"probability": 0.9, "label": "high"}
    return {"arousal": sure, "valence": sure, "quality": 0.9, "interpolated": []} | changes


UNSURE = {"probability": 0.5, "label": "unsure"}


@pytest.mark.parametrize(
    ("newest", "model_is_simulated", "signal_is_simulated", "kind", "why"),
    [
        (estimate(), False, False, "yes", "Good signal: as far as this model was tested."),
        (estimate(), False, True, "yes", "Good signal: as far as this model was tested."),
        (estimate(), True, True, "yes", "Good signal. Signal and model are simulated."),
        (
            estimate(),
            True,
            False,
            "no",
            "The model knows simulated people only, and this is no simulated signal.",
        ),
        (estimate(valence=UNSURE), False, False, "care", "The model is unsure of valence."),
        (
            estimate(valence=UNSURE, arousal=UNSURE, quality=0.6),
            False,
            False,
            "care",
            "The model is unsure of arousal and valence; the signal's quality is 0.60.",
        ),
        (
            estimate(interpolated=["T7", "F7"]),
            False,
            False,
            "care",
            "T7, F7 are filled in from neighbours.",
        ),
        (
            estimate(interpolated=["T7"]),
            True,
            True,
            "care",
            "T7 is filled in from neighbours; signal and model are simulated.",
        ),
    ],
)
async def test_how_far_an_estimate_is_to_be_believed(
    page: Page,
    address: str,
    newest: dict[str, Any],
    model_is_simulated: bool,
    signal_is_simulated: bool,
    kind: str,
    why: str,
) -> None:
    await page.open(f"http://{address}")
    verdict = {"current": True, "newest": newest, "model": {"simulated": model_is_simulated}}
    headset = {"info": {"simulated": signal_is_simulated}}
    found = await page.value(
        'import("/static/advice.js").then(({ beliefIn }) => '
        f"beliefIn({json.dumps(verdict)}, {json.dumps(headset)}))"
    )
    assert (found["kind"], found["why"]) == (kind, why)


async def test_of_many_things_to_fix_the_first_are_shown_and_the_others_counted(
    page: Page, address: str
) -> None:
    await page.open(f"http://{address}")
    channels = [{"label": f"E{n}", "score": n / 10, "trouble": "flat"} for n in range(6)]
    reasons = ["poor_contact", "poor_contact", "a_later_versions_reason"]
    verdict = {"silent": False, "newest": {"reasons": reasons}}
    found = await page.value(
        'import("/static/advice.js").then(({ remedies }) => '
        f"remedies({json.dumps(verdict)}, {json.dumps({'info': {'state': 'live'}})}, true, "
        f"{json.dumps({'channels': channels})}))"
    )
    assert len(found) == 4
    assert found[0] == "Press the worst electrodes to the skin, or add gel or water."
    assert found[1].startswith("E0 gives no signal")
    assert found[2].startswith("E1 gives no signal")
    assert found[3] == "And 4 more: see the electrodes."
