"""The model's page in a real browser: what it says of the served model, and its plots."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.publish.messages import ModelCard

pytestmark = pytest.mark.slow

# A view of its own on a bare element; `answer` stands in for the service's calibration.
SETUP = """(async () => {
  const { ModelView } = await import("/static/model_view.js");
  const { readTheme } = await import("/static/theme.js");
  for (const part of document.body.children) part.hidden = true;
  const sheet = document.head.appendChild(document.createElement("link"));
  sheet.rel = "stylesheet";
  sheet.href = "/static/guide.css";
  window.card = document.body.appendChild(document.createElement("section"));
  card.className = "card";
  window.asked = [];
  window.answer = () => ({ targets: {} });
  const ask = async (...request) => {
    asked.push(request.join(" "));
    return answer();
  };
  const view = new ModelView(card.appendChild(document.createElement("div")), ask);
  window.given = { model: null, Plotly, theme: readTheme(), visible: true };
  window.put = (changes) => view.show(Object.assign(given, changes));
})()"""
SHOWN = "card.innerText"
PLOTS = '[...card.querySelectorAll(".model-plot")]'
REFUSING = """answer = () => {
    throw Object.assign(new Error("a key is missing"), { status: STATUS });
}"""
BINS = [
    {"low": 0.1, "high": 0.2, "predicted": 0.15, "observed": 0.25, "windows": 100},
    {"low": 0.8, "high": 0.9, "predicted": 0.85, "observed": 0.65, "windows": 300},
]
CALIBRATION = {
    "targets": {
        "arousal": {"protocol": "people left out", "people": 4, "windows": 400, "bins": BINS}
    }
}


@pytest.fixture
async def view(page: Page, address: str) -> Page:
    await page.open(f"http://{address}")
    await page.until("window.Plotly !== undefined")
    await page.value(SETUP)
    return page


async def show(page: Page, card: ModelCard, calibration: object = CALIBRATION) -> str:
    await page.value(f"answer = () => ({json.dumps(calibration)})")
    await page.value(f"put({{ model: {card.model_dump_json()} }})")
    await page.until(f'!{SHOWN}.includes("Asking for")')
    text: str = await page.value(SHOWN)
    return text


def real(service: Service, **changes: Any) -> ModelCard:
    return service.model_card().model_copy(update={"simulated": False, **changes})


async def test_all_of_the_card_is_there(view: Page, service: Service) -> None:
    card = service.model_card()
    shown = await show(view, card)
    assert f"Model {card.name}, version {card.version}" in shown
    for said in (card.trained_on, card.label_rule, *card.held_out.values(), *card.channels):
        assert said in shown
    for said in card.calibration.values():
        assert said in shown
    assert f"{card.window_seconds:g} s, a new one every {card.hop_seconds:g} s" in shown
    assert "no one else was tested" in shown
    assert "No diagnosis" in shown
    assert card.sha256[:12] in shown
    assert view.complaints == []


async def test_simulated_is_said_above_and_on_each_plot_and_only_where_it_is_so(
    view: Page, service: Service
) -> None:
    notes = f"{PLOTS}.map((plot) => plot.layout.annotations.map((note) => note.text))"
    banner = 'card.querySelector(".banner") !== null'
    shown = await show(view, service.model_card())
    assert "say nothing about a real person" in shown
    assert await view.value(banner)
    assert await view.value(notes) == [["SIMULATED"]]
    shown = await show(view, real(service, sha256="f" * 64))
    assert "imulated people" not in shown.replace(service.model_card().trained_on, "")
    assert not await view.value(banner)
    assert await view.value(notes) == [[]]


async def test_a_target_is_drawn_against_the_diagonal_and_stands_in_a_table(
    view: Page, service: Service
) -> None:
    shown = await show(view, service.model_card())
    (data,) = await view.value(f"{PLOTS}.map(({{ data }}) => data)")
    diagonal, bins = data
    assert diagonal["x"] == diagonal["y"] == [0, 1]
    assert (bins["x"], bins["y"]) == ([0.15, 0.85], [0.25, 0.65])
    small, large = bins["marker"]["size"]
    assert small < large
    # 100 windows are 0.1 and 300 windows 0.2 apart.
    label = await view.value(f"{PLOTS}[0].ariaLabel")
    assert label == "Arousal: predicted and observed are 0.17 apart on average over all windows"
    assert "No results by probability are stated for valence." in shown
    rows = '[...card.querySelectorAll("tbody tr")].map((r) => [...r.cells].map((c) => c.innerText))'
    await view.value('card.querySelector("details").open = true')
    assert await view.value(rows) == [
        ["0.10 to 0.20", "0.15", "0.25", "100"],
        ["0.80 to 0.90", "0.85", "0.65", "300"],
    ]


async def test_a_model_that_states_nothing_says_so(view: Page, service: Service) -> None:
    shown = await show(view, real(service, held_out={}, calibration={}), {"targets": {}})
    assert "nothing is known of its accuracy" in shown
    assert "Nothing is stated of how its probabilities were calibrated." in shown
    assert "No results by probability are stated for arousal, valence." in shown
    assert await view.value(f"{PLOTS}.length") == 0


async def test_calibration_is_asked_for_when_it_is_looked_at_and_a_refusal_said_in_words(
    view: Page, service: Service
) -> None:
    card = service.model_card().model_dump_json()
    await view.value(f"put({{ model: {card}, visible: false }})")
    assert await view.value("asked") == []
    for status, said in ((404, "gives no more than the above"), (401, "a key is missing")):
        await view.value(REFUSING.replace("STATUS", str(status)))
        await view.value("put({ visible: false })")
        await view.value("put({ visible: true })")
        await view.until(f"{SHOWN}.includes({json.dumps(said)})")
        await view.value("put({})")
    assert await view.value("asked") == ["GET /v1/model/calibration"] * 2
    await view.value(f"answer = () => ({json.dumps(CALIBRATION)})")
    await view.value("put({ visible: false })")
    await view.value("put({ visible: true })")
    await view.until(f"{PLOTS}.length === 1")


async def test_plots_wait_for_plotly_and_follow_the_colours(view: Page, service: Service) -> None:
    await view.value("given.Plotly = undefined")
    await show(view, service.model_card())
    assert await view.value(f"{PLOTS}[0].data === undefined")
    await view.value("put({ Plotly })")
    assert await view.value(f"{PLOTS}[0].data.length") == 2
    await view.value('put({ theme: { ...given.theme, card: "#010203" } })')
    assert await view.value(f"{PLOTS}[0].layout.paper_bgcolor") == "#010203"


async def test_the_digest_is_copied_or_selected_whole(view: Page, service: Service) -> None:
    card = service.model_card()
    await show(view, card)
    copied = """new Promise((done) => {
        const writeText = async (text) => done(text);
        Object.defineProperty(navigator, "clipboard", { configurable: true, value: { writeText } });
        card.querySelector("button").click();
    })"""
    assert await view.value(copied) == card.sha256
    await view.until(f'{SHOWN}.includes("Copied.")')
    await view.value('Object.defineProperty(navigator, "clipboard", { value: undefined })')
    await view.value('card.querySelector("button").click()')
    await view.until(f'{SHOWN}.includes("copy it yourself")')
    assert await view.value("getSelection().toString()") == card.sha256
