"""The guided rest in a real browser, against the real service and with messages put before it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.messages import Baseline, BaselineState

pytestmark = pytest.mark.slow

PLACE = "/v1/headsets/h1/baseline"
SFREQ = 128
SETTLE = 3  # seconds that the filters take, and that do not count
# A guide of its own on a bare element, fed as the page feeds it; `plant` puts a message before it.
SETUP = """(async () => {
  const { RestGuide } = await import("/static/rest.js");
  const { EmotionStream } = await import("/static/client.js");
  const { ask } = await import("/static/api.js");
  const { key } = await import("/static/key.js");
  for (const part of document.body.children) part.hidden = true;
  const sheet = document.head.appendChild(document.createElement("link"));
  sheet.rel = "stylesheet";
  sheet.href = "/static/guide.css";
  window.card = document.body.appendChild(document.createElement("section"));
  card.className = "card";
  const guide = new RestGuide(card.appendChild(document.createElement("div")), ask);
  const given = {
    headset: { id: "h1", info: { name: "Headset h1" } },
    baseline: null,
    verdict: { silent: false },
    model: null,
    connected: false,
  };
  window.put = (changes) => guide.show(Object.assign(given, changes));
  window.news = [];
  const told = () => news.push(card.querySelector(".unseen").textContent);
  const watch = { childList: true, characterData: true, subtree: true };
  new MutationObserver(told).observe(card.querySelector(".unseen"), watch);
  await new Promise((done) => {
    const stream = new EmotionStream(`ws://${location.host}/v1/stream`, {
      token: key,
      onMessage: (message) => {
        if (message.type === "baseline") put({ baseline: message });
        if (message.type === "welcome") put({ model: message.model });
        if (message.type === "subscribed") done();
      },
      onState: (state) => put({ connected: state === "connected" }),
    });
    stream.open();
  });
})()"""
TITLE = 'card.querySelector("h2").textContent'
SHOWN = "card.innerText"
FOCUS = "document.activeElement.textContent"
COUNTDOWN = 'card.querySelector(".rest-countdown")?.textContent'
NOW = 'card.querySelector(".rest-now").textContent'


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, adapted: Callable[..., Model]) -> Model:
    """The model that is served: one that needs each person's rest, unless a test says no."""
    return adapted(rest=getattr(request, "param", True))


@pytest.fixture(autouse=True)
def headset(service: Service, fake_pipeline: Any) -> Any:
    """Add the live headset `h1`, and return its pipeline."""
    service.headsets.add("h1", pipeline=fake_pipeline)
    return fake_pipeline


@pytest.fixture
def rest(service: Service, headset: Any, rest_signal: NDArray[np.float64]) -> Callable[..., None]:
    """Feed seconds of rest."""

    def come(seconds: int = 20 + SETTLE) -> None:
        headset.rest.feed(rest_signal[:, : seconds * SFREQ])
        service.baselines.on_samples("h1", None)

    return come


@pytest.fixture
async def guide(page: Page, address: str) -> Page:
    await page.open(f"http://{address}")
    await page.value(SETUP)
    return page


def press(text: str) -> str:
    """Press a button as a person does, who thereby has the focus on it."""
    return f"""(() => {{
        const named = (button) => button.textContent === {json.dumps(text)};
        const found = [...card.querySelectorAll("button")].find(named);
        if (!found.checkVisibility()) throw new Error("it is hidden");
        found.focus();
        found.click();
    }})()"""


def fill(seconds: int, pseudonym: str = "") -> str:
    return f"""(() => {{
        const [seconds, pseudonym] = card.querySelectorAll("input");
        seconds.value = {seconds};
        pseudonym.value = {json.dumps(pseudonym)};
    }})()"""


async def plant(page: Page, state: str, **changes: Any) -> None:
    message = Baseline(
        headset="h1",
        state=BaselineState(state),
        profile="p07",
        seconds=60,
        clean_seconds=0,
        refused={},
        detail="put here by a test",
        before=None,
        after=None,
    ).model_copy(update=changes)
    await page.value(f"put({{ baseline: {message.model_dump_json(warnings=False)} }})")


@pytest.mark.parametrize("model", [False], indirect=True)
async def test_a_model_of_training_people_needs_no_rest_and_is_offered_none(guide: Page) -> None:
    await guide.until(f'{SHOWN}.includes("needs no rest baseline")')
    assert await guide.value('card.querySelectorAll("button, input").length') == 0
    assert not [address for address in guide.addresses if address.endswith("/baseline")]


async def test_a_person_is_led_from_the_instruction_to_what_it_changed(
    guide: Page, service: Service, rest: Callable[..., None], prediction: Any
) -> None:
    await guide.until(f'{SHOWN}.includes("Keep your eyes open and look at the cross")')
    shown = await guide.value(SHOWN)
    assert "Headset h1 gets no estimate" in shown
    assert "no raw EEG" in shown
    await guide.value(fill(20, "p07"))
    await guide.value(press("Start"))
    await guide.until(f'{COUNTDOWN} === "20"')
    assert await guide.value(FOCUS) == "Look at the cross"
    assert await guide.value('card.querySelector(".rest-cross").checkVisibility()')

    service.bus.publish(prediction(seq=3, valid=False, reasons=("no_baseline",)))
    rest(10)
    await guide.until(f'{COUNTDOWN} === "13"')
    bar = 'card.querySelector("[role=progressbar]")'
    assert await guide.value(f"[{bar}.ariaValueNow, {bar}.ariaValueMax, {bar}.ariaValueText]") == [
        "7",
        "20",
        "7 of 20 s",
    ]
    assert "7 of 20 s clean, in 10 s so far." in await guide.value(SHOWN)

    rest(20)
    await guide.until(f'{TITLE} === "Rest baseline in use"')
    assert await guide.value(FOCUS) == "Rest baseline in use"
    shown = await guide.value(SHOWN)
    assert "Profile p07 is in use: 20 s of clean rest" in shown
    assert "The first estimate with it is awaited." in shown
    assert f"Not counted: {SETTLE} s" in shown
    cells = '[...card.querySelectorAll("td")].map((cell) => cell.textContent)'
    assert await guide.value(cells) == ["–"] * 4
    after = prediction(seq=4, window={"start": 2e9, "end": 2e9 + 5})
    service.baselines.on_samples("h1", after)
    await guide.until(f'{cells}[1] !== "–"')
    found = await guide.value(cells)
    scores = (after.arousal, after.valence)
    assert found[0::2] == ["–", "–"]
    assert found[1::2] == [f"{each.probability:.2f} {each.label}" for each in scores]
    assert "Before it there was no estimate." in await guide.value(SHOWN)
    assert guide.complaints == []


async def test_a_collection_is_found_again_after_a_reload_and_may_be_cancelled(
    page: Page, address: str, rest: Callable[..., None], headset: Any
) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        await client.post(PLACE, json={"seconds": 20})
    rest(10)
    await page.open(f"http://{address}")
    await page.value(SETUP)
    await page.until(f'{COUNTDOWN} === "13"')
    assert await page.value("document.activeElement === document.body"), "nobody is called away"
    await page.value(press("Cancel"))
    await page.until(f'{TITLE} === "Rest baseline"')
    assert await page.value(FOCUS) == "Rest baseline"
    assert headset.rest is None
    assert page.complaints == []


async def test_what_is_refused_is_said_in_words_and_may_be_mended(guide: Page) -> None:
    trouble = 'card.querySelector("[role=alert]").textContent'
    await guide.until(f'{TITLE} === "Rest baseline" && card.querySelector("form") !== null')
    for seconds, pseudonym, said in (
        (5, "", "expected 20 to 600 s"),
        (60, "Anna Müller", "pseudonym"),
    ):
        await guide.value(fill(seconds, pseudonym))
        await guide.value(press("Start"))
        await guide.until(f"{trouble}.includes({json.dumps(said)})")
    await guide.value(fill(60))
    await guide.value(press("Start"))
    await guide.until(f'{COUNTDOWN} === "60"')
    assert await guide.value(trouble) == ""


async def test_a_stored_baseline_is_chosen_and_laid_aside(
    page: Page, address: str, rest: Callable[..., None], service: Service, headset: Any
) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        await client.post(PLACE, json={"seconds": 20, "profile": "p07"})
        rest()
        await client.delete(PLACE)
    store = service.baselines.profiles
    other = store.load("p07").model_copy(update={"name": "p08", "model_sha256": "f" * 64})
    store.save(other)
    await page.open(f"http://{address}")
    await page.value(SETUP)
    options = '[...card.querySelectorAll("option")].map((each) => [each.value, each.disabled])'
    await page.until(f"{options}.length === 3")
    assert await page.value(options) == [["", False], ["p07", False], ["p08", True]]
    await page.value('card.querySelector("select").value = "p07"')
    await page.value(press("Use it"))
    await page.until(f'{TITLE} === "Rest baseline in use"')
    assert headset.used[-1] is not None
    await page.value(press("Stop using it"))
    await page.until(f'{TITLE} === "Rest baseline"')
    assert headset.used[-1] is None
    assert page.complaints == []


async def test_who_may_not_list_profiles_is_offered_none_and_may_rest_all_the_same(
    page: Page, address: str, rest: Callable[..., None], service: Service, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        await client.post(PLACE, json={"seconds": 20, "profile": "p07"})
        rest()
        await client.delete(PLACE)
    store = KeyStore(tmp_path / "keys.json")
    service.access = Access(keys=store)
    key = store.add("controls", (Scope.parse("read:h1"), Scope.parse("control:h1")))
    await page.open(f"http://{address}")
    await page.until('document.getElementById("key-dialog").open')  # or it would forget this one
    await page.value(f'sessionStorage.setItem("eeg-emotion-key", {json.dumps(key)})')
    await page.open(f"http://{address}")
    await page.value(SETUP)
    await page.until(f'{TITLE} === "Rest baseline" && card.querySelector("form") !== null')
    assert not await page.value('card.querySelector("select").checkVisibility()')
    await page.value(press("Start"))
    await page.until(f'{COUNTDOWN} === "60"')
    assert await page.value('card.querySelector("[role=alert]").textContent') == ""


async def test_what_keeps_seconds_from_counting_is_said_with_its_remedy(guide: Page) -> None:
    await plant(guide, "collecting")
    await plant(guide, "collecting", clean_seconds=1)
    assert await guide.value(NOW) == "Good. Stay like this."
    await plant(guide, "collecting", clean_seconds=1, refused={"poor_contact": 1})
    shown = await guide.value(NOW)
    assert shown.startswith("Not counted just now: poor contact. Press the worst electrodes")
    refused = {"poor_contact": 1, "out_of_range": 1}
    await plant(guide, "collecting", clean_seconds=1, refused=refused)
    assert "Check the cables" in await guide.value(NOW)
    await plant(guide, "collecting", clean_seconds=2, refused=refused)
    assert await guide.value(NOW) == "Good. Stay like this."
    assert "2 of 60 s clean, in 4 s so far." in await guide.value(SHOWN)
    await guide.value("put({ verdict: { silent: true } })")
    assert "Nothing comes from the headset" in await guide.value(NOW)
    await guide.value("put({ connected: false })")
    assert "No connection" in await guide.value(NOW)


async def test_each_second_is_shown_but_only_quarters_and_new_troubles_are_read_aloud(
    guide: Page,
) -> None:
    await guide.until('card.querySelector("form") !== null')
    for second in range(60):
        refused = {"out_of_range": second // 2} if second > 1 else {}
        await plant(guide, "collecting", clean_seconds=(second + 1) // 2, refused=refused)
        assert await guide.value(COUNTDOWN) == str(60 - (second + 1) // 2)
    news = await guide.value("news")
    assert [text for text in news if "are left" in text] == [
        "Rest is collected: sit still and look at the cross. 60 s are left.",
        "45 s are left.",
        "30 s are left.",
    ]
    assert sum("Not counted" in text for text in news) == 1
    assert len(news) == 4


async def test_a_failure_says_why_and_leads_to_another_try(guide: Page) -> None:
    await guide.until('card.querySelector("form") !== null')
    await plant(guide, "collecting")
    await guide.value('card.querySelector("button").focus()')
    await plant(
        guide,
        "failed",
        clean_seconds=9,
        refused={"not_worn": 171},
        detail="no baseline was made for p07: found too little",
    )
    assert await guide.value(FOCUS) == "No baseline was made"
    shown = await guide.value(SHOWN)
    assert "No baseline was made for p07: found too little." in shown
    assert "171 s: no signal, as if not worn. Put the headset on" in shown
    assert "found too little" in await guide.value("news.at(-1)")
    await guide.value(press("Try again"))
    assert await guide.value(FOCUS) == "Rest baseline"
    assert await guide.value('card.querySelector("form").checkVisibility()')


async def test_another_is_offered_in_place_of_the_one_in_use_and_may_be_left(guide: Page) -> None:
    await guide.until('card.querySelector("form") !== null')
    await plant(guide, "applied", clean_seconds=60)
    await guide.value(press("Take a new one"))
    assert await guide.value('card.querySelector("form").checkVisibility()')
    await guide.value(press("Keep the one in use"))
    assert await guide.value(TITLE) == "Rest baseline in use"


async def test_each_headset_has_its_own(guide: Page, service: Service) -> None:
    service.headsets.add("h2")
    await guide.until('card.querySelector("form") !== null')
    await plant(guide, "collecting", clean_seconds=7)
    assert await guide.value(COUNTDOWN) == "53"
    other = 'put({ headset: { id: "h2", info: { name: "Headset h2" } }, baseline: null })'
    await guide.value(other)
    await guide.until(f'{SHOWN}.includes("Headset h2 gets no estimate")')


async def test_the_cross_fills_the_screen_and_leaves_it_at_the_end(guide: Page) -> None:
    await plant(guide, "collecting")
    await guide.call("Runtime.evaluate", expression=press("Fill the screen"), userGesture=True)
    await guide.until('document.fullscreenElement?.className === "rest-stage"')
    await plant(guide, "applied", clean_seconds=60)
    await guide.until("document.fullscreenElement === null")
