"""The electrodes on the page: which to fix, and how, as long as anything is known of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.codes import State
from eeg_emotion.eeg.quality import Trouble
from eeg_emotion.publish.messages import (
    ChannelQuality,
    Prediction,
    Quality,
    RegionPower,
    Status,
    WindowSpan,
)

pytestmark = pytest.mark.slow

TITLE = 'document.getElementById("fix-title").textContent'
SPAN = WindowSpan(start=1e9, end=1e9 + 5)


def quality(*channels: ChannelQuality) -> Quality:
    return Quality(
        headset="h1",
        epoch="e0",
        window=SPAN,
        overall=0.6,
        faults=(),
        interpolated=("T7",),
        channels=channels,
        regions=(RegionPower(region="frontal", theta=12.3, alpha=8.0, beta=-20.0, gamma=None),),
    )


async def test_the_worst_electrode_is_named_first_with_its_remedy_and_nothing_old_is_shown(
    page: Page, service: Service, address: str, prediction: Callable[..., Prediction]
) -> None:
    headsets: Any = service.headsets
    live = headsets.add("h1")
    headsets.qualities["h1"] = quality(
        ChannelQuality(label="Fp1", score=0.4, trouble=Trouble.LINE_NOISE),
        ChannelQuality(label="Fp2", score=0.0, trouble=Trouble.FLAT),
        ChannelQuality(label="Cz", score=1.0, trouble=None),
    )
    await page.open(f"http://{address}")
    await page.until(f'{TITLE} === "Nothing is known of the electrodes at present."')

    now = time.time()
    window = WindowSpan(start=now - 5, end=now)
    service.bus.publish(Status(headset=live))
    service.bus.publish(prediction("h1", 0, epoch="e0", window=window))
    await page.until(f'{TITLE} === "To fix: 2 of 3 electrodes."')
    listed = '[...document.querySelectorAll("#fix-list li")].map((item) => item.textContent)'
    first, second = await page.value(listed)
    assert first.startswith("Fp2 gives no signal: see that it is plugged in")
    assert second.startswith("Fp1 picks up the mains")
    marks = (
        '[...document.querySelectorAll("#head-map circle.electrode")].map((c) => c.classList[1])'
    )
    assert await page.value(marks) == ["doubtful", "bad", "good", "filled"]
    label = await page.value('document.getElementById("head-map").ariaLabel')
    assert label == "Map of the electrodes: to fix are Fp2, Fp1"
    row = (
        '[...document.querySelectorAll("#band-rows tr")].map((row) => row.innerText.split(/\\s+/))'
    )
    assert await page.value(row) == [["frontal", "12", "8", "−20", "–"]]
    assert await page.value('document.getElementById("ledger").checkVisibility()')

    # Without a new window nothing is known any more.
    await page.until(f'{TITLE} === "Nothing is known of the electrodes at present."')
    assert await page.value(listed) == []
    assert not await page.value('document.getElementById("bands-table").checkVisibility()')
    service.bus.publish(Status(headset=headsets.add("h1", State.LOST)))
    await page.until('now.state === "lost"')
