"""The electrodes on the page: which to fix, and how, as long as anything is known of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.codes import State, Trouble
from eeg_emotion.publish.messages import (
    ChannelQuality,
    Detail,
    Prediction,
    RegionPower,
    Status,
    WindowSpan,
)

pytestmark = pytest.mark.slow

TITLE = 'document.getElementById("fix-title").textContent'
LISTED = '[...document.querySelectorAll("#fix-list li")].map((item) => item.textContent)'
NOTHING_KNOWN = f'{TITLE} === "Nothing is known of the electrodes at present."'


def span() -> WindowSpan:
    now = time.time()
    return WindowSpan(start=now - 5, end=now)


def detail(window: WindowSpan, *channels: ChannelQuality, headset: str = "h1") -> Detail:
    return Detail(
        headset=headset,
        epoch="e0",
        seq=0,
        window=window,
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
    bus: Any = service.bus
    await page.open(f"http://{address}")
    await page.until(NOTHING_KNOWN)
    await bus.until_details("h1")

    window = span()
    service.bus.publish(Status(headset=live))
    service.bus.publish(prediction("h1", 0, epoch="e0", window=window))
    service.bus.publish(
        detail(
            window,
            ChannelQuality(label="Fp1", score=0.4, trouble=Trouble.LINE_NOISE),
            ChannelQuality(label="Fp2", score=0.0, trouble=Trouble.FLAT),
            ChannelQuality(label="Cz", score=1.0, trouble=None),
        )
    )
    await page.until(f'{TITLE} === "To fix: 2 of 3 electrodes."')
    first, second = await page.value(LISTED)
    assert first.startswith("Fp2 gives no signal: check that it is plugged in")
    assert second.startswith("Fp1 picks up the mains")
    await page.until('document.querySelector("#head-map circle.electrode") !== null')
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
    await page.until(NOTHING_KNOWN)
    assert await page.value(LISTED) == []
    assert not await page.value('document.getElementById("bands-table").checkVisibility()')
    service.bus.publish(Status(headset=headsets.add("h1", State.LOST)))
    await page.until('now.state === "lost"')


async def test_details_are_those_of_the_headset_that_is_shown_and_are_pushed(
    page: Page, service: Service, address: str, prediction: Callable[..., Prediction]
) -> None:
    """1. h1 is shown. 2. h2 is chosen. Nothing is polled."""
    headsets, bus = cast(Any, service.headsets), cast(Any, service.bus)
    for headset in ("h1", "h2"):
        headsets.add(headset)
    await page.open(f"http://{address}")
    await bus.until_details("h1")
    flat = ChannelQuality(label="Fp1", score=0.0, trouble=Trouble.FLAT)
    moving = ChannelQuality(label="Cz", score=0.0, trouble=Trouble.MOVEMENT)

    def show(seq: int) -> None:
        window = span()
        for headset, channel in (("h1", flat), ("h2", moving)):
            bus.publish(prediction(headset, seq, epoch="e0", window=window))
            bus.publish(detail(window, channel, headset=headset))

    show(0)
    await page.until(f'{LISTED}.join() === "Fp1 gives no signal: {Trouble.FLAT.remedy}."')
    await page.value(
        """{
            const picker = document.getElementById("headset-picker");
            picker.value = "h2";
            picker.dispatchEvent(new Event("change"));
        }"""
    )
    await bus.until_details("h2")
    assert bus.is_detail_wanted("h2")
    assert not bus.is_detail_wanted("h1")
    show(1)
    await page.until(f'{LISTED}.join().startsWith("Cz moves")')

    assert not [address for address in page.addresses if address.endswith("/quality")]
    assert page.complaints == []


async def test_a_detail_of_long_ago_is_not_shown_as_the_present(
    page: Page, service: Service, address: str, prediction: Callable[..., Prediction]
) -> None:
    headsets, bus = cast(Any, service.headsets), cast(Any, service.bus)
    headsets.add("h1")
    await page.open(f"http://{address}")
    await bus.until_details("h1")
    window = span()
    old = WindowSpan(start=window.start - 5, end=window.end - 5)
    flat = ChannelQuality(label="Fp1", score=0.0, trouble=Trouble.FLAT)
    bus.publish(prediction("h1", 0, epoch="e0", window=old))
    bus.publish(detail(old, flat))
    await page.until(f'{TITLE} === "To fix: 1 of 1 electrodes."')
    bus.publish(prediction("h1", 1, epoch="e0", window=window))
    await page.until(NOTHING_KNOWN)
