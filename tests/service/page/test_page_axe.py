"""What axe-core finds on the page, in each of its views: nothing serious."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.codes import State
from eeg_emotion.eeg.quality import Trouble
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.alarms import RaisedAlarm, Severity
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    ChannelQuality,
    Prediction,
    Quality,
    Reason,
    RegionPower,
    Score,
    WindowSpan,
)

pytestmark = pytest.mark.slow

Predict = Callable[..., Prediction]
# Evaluated over DevTools, which the page's content security policy does not bind.
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
LOOK = """axe.run(document, {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  resultTypes: ["violations"],
}).then(({ violations }) => violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) =>
    `${impact} ${id}: ${target.join(" ")}: ${failureSummary}`)))"""
WIDTHS = (1280, 360)
SCHEMES = ("light", "dark")


async def violations(page: Page) -> list[str]:
    """Look at the page light and dark, wide and narrow."""
    await page.value(f"{AXE}; null")
    found = []
    for width in WIDTHS:
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        await page.call("Emulation.setDeviceMetricsOverride", **size)
        for scheme in SCHEMES:
            feature = {"name": "prefers-color-scheme", "value": scheme}
            await page.call("Emulation.setEmulatedMedia", features=[feature])
            # The charts follow in the frames after it.
            await page.value(
                "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame("
                "() => requestAnimationFrame(done))))"
            )
            found += [f"{width} {scheme}: {each}" for each in await page.value(LOOK)]
    return found


def span() -> WindowSpan:
    now = time.time()
    return WindowSpan(start=now - 5, end=now)


def judged() -> Quality:
    troubles = (Trouble.FLAT, Trouble.LINE_NOISE, None, None)
    return Quality(
        headset="h1",
        epoch="e0",
        window=span(),
        overall=0.5,
        faults=(),
        interpolated=("T7",),
        channels=tuple(
            ChannelQuality(label=label, score=score, trouble=trouble)
            for label, score, trouble in zip(
                ("Fp1", "Fp2", "Cz", "X9"), (0.0, 0.5, 1.0, 1.0), troubles, strict=True
            )
        ),
        regions=(RegionPower(region="frontal", theta=12.3, alpha=8.0, beta=-2.0, gamma=None),),
    )


async def test_without_a_headset(page: Page, address: str) -> None:
    await page.open(f"http://{address}")
    await page.until('now.reason.includes("No headset")')
    assert await violations(page) == []


async def test_with_an_estimate_electrodes_to_fix_an_alarm_and_everything_unfolded(
    page: Page, service: Service, address: str, prediction: Predict
) -> None:
    headsets: Any = service.headsets
    alarms = tuple(
        RaisedAlarm(alarm=f"{n}" * 32, rule="r", severity=severity, text="Gone.", since=1e9)
        for n, severity in enumerate(Severity)
    )
    headsets.add("h1")
    headsets.known["h1"] = headsets.known["h1"].model_copy(update={"alarms": alarms})
    headsets.add("h2", State.LOST)
    headsets.qualities["h1"] = judged()
    sure, unsure = Score(probability=0.9, label="high"), Score(probability=0.5, label="unsure")
    await page.open(f"http://{address}")
    await page.until('document.querySelectorAll(".tile").length === 2')
    service.bus.publish(
        prediction("h1", 0, epoch="e0", window=span(), arousal=sure, valence=unsure)
    )
    await page.until("now.current")
    await page.until('document.querySelectorAll("#fix-list li").length === 2')
    await page.until('document.querySelector("#plane .main-svg") !== null')
    await page.value("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    await page.until('document.querySelectorAll(".model-plot .main-svg").length > 0')
    assert await violations(page) == []


async def test_without_a_score_and_with_the_reason(
    page: Page, service: Service, address: str, prediction: Predict
) -> None:
    headsets: Any = service.headsets
    headsets.add("h1")
    none = Score(probability=None, label=None)
    scores = {"arousal": none, "valence": none, "valid": False}
    reasons = (Reason.POOR_CONTACT, Reason.OUT_OF_RANGE)
    await page.open(f"http://{address}")
    service.bus.publish(
        prediction("h1", 0, epoch="e0", window=span(), reasons=reasons, quality=0.2, **scores)
    )
    await page.until('now.reason.includes("poor contact")')
    assert await violations(page) == []


async def test_while_rest_is_collected(
    page: Page, service: Service, address: str, adapted: Callable[..., Model]
) -> None:
    service.model = adapted(rest=True)
    headsets: Any = service.headsets
    headsets.add("h1")
    await page.open(f"http://{address}")
    await page.until('document.querySelector(".rest-form") !== null')
    assert await violations(page) == []
    service.bus.publish(
        Baseline(
            headset="h1",
            state=BaselineState.COLLECTING,
            profile="p07",
            seconds=60,
            clean_seconds=20,
            refused={Reason.POOR_CONTACT: 3},
            detail="collecting",
            before=None,
            after=None,
        )
    )
    await page.until('document.querySelector(".rest-countdown") !== null')
    assert await violations(page) == []


async def test_while_a_key_is_asked_for(page: Page, address: str) -> None:
    await page.open(f"http://{address}")
    await page.until('now.reason.includes("No headset")')
    await page.value('document.getElementById("key-dialog").showModal()')
    assert await violations(page) == []


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        ("<button></button>", "button-name"),
        ('<p id="pale">pale</p>', "color-contrast"),
        ('<img src="/static/icon.svg">', "image-alt"),
    ],
)
async def test_what_is_wrong_would_be_found(
    page: Page, address: str, planted: str, rule: str
) -> None:
    await page.open(f"http://{address}")
    await page.until('now.reason.includes("No headset")')
    await page.value(
        f"""document.querySelector("main").insertAdjacentHTML("afterbegin", {planted!r});
        document.getElementById("pale")?.style.setProperty("color", "#ccc");"""
    )
    assert any(f" {rule}: " in each for each in await violations(page))
