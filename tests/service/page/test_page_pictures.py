"""The plane and the curves in a real browser: what they draw, what they leave out, their words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.browser import Page

pytestmark = pytest.mark.slow

NOW = 1_700_000_000.0
# A prediction each second; `draw` makes a picture of its own, beside those of the page.
SETUP = """(async () => {
  const { Plane } = await import("/static/plane.js");
  const { Curves } = await import("/static/curves.js");
  const { readTheme } = await import("/static/theme.js");
  window.make = (Kind) => {
    const card = document.body.appendChild(document.createElement("section"));
    const element = card.appendChild(document.createElement("div"));
    element.style = "width: 640px; height: 420px";
    return { card, element, drawer: new Kind(element) };
  };
  window.plane = make(Plane);
  window.curves = make(Curves);
  window.drawPlane = (headset, verdict) => {
    plane.drawer.draw(Plotly, headset, verdict, readTheme(), NOW);
    const { data, layout, ariaLabel } = plane.element;
    const words = plane.card.querySelector("p").textContent;
    return { data, shapes: layout.shapes, notes: layout.annotations, ariaLabel, words };
  };
  window.drawCurves = (headset) => {
    curves.drawer.draw(Plotly, headset, readTheme(), NOW);
    const { data, layout, ariaLabel } = curves.element;
    const words = [...curves.card.querySelectorAll("li")].map((item) => item.textContent);
    const key = curves.drawer.key.hidden ? null : curves.drawer.key.textContent;
    return { data, shapes: layout.shapes, notes: layout.annotations, ariaLabel, words, key };
  };
})()""".replace("NOW", str(NOW))
FIGURES = {"arousal": {"unsure": [0.4, 0.6]}, "valence": {"unsure": [0.5, 0.5]}}


def point(age: float, arousal: float | None, valence: float | None, **more: Any) -> dict[str, Any]:
    return {"end": NOW - age, "arousal": arousal, "valence": valence, "joined": True} | more


def headset(points: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"id": "h1", "points": points} | more


def verdict(arousal: float = 0.8, label: str = "high", **more: Any) -> dict[str, Any]:
    newest = {
        "window": {"start": NOW - 5, "end": NOW},
        "arousal": {"probability": arousal, "label": label},
        "valence": {"probability": 0.3, "label": "low"},
    }
    return {
        "current": True,
        "silent": False,
        "why": [],
        "newest": newest,
        "lastValid": newest,
        "ageSeconds": 0,
        "model": {"calibration_figures": FIGURES},
    } | more


@pytest.fixture
async def pictures(page: Page, address: str) -> Page:
    await page.open(f"http://{address}")
    await page.until("window.Plotly !== undefined")
    await page.value(SETUP)
    return page


async def drawn(page: Page, what: str, *arguments: object) -> dict[str, Any]:
    """Draw it, and give Plotly's traces, shapes and notes and the words beside them."""
    shown: dict[str, Any] = await page.value(
        f"draw{what}({', '.join(json.dumps(each) for each in arguments)})"
    )
    return shown


def texts(shown: dict[str, Any]) -> list[str]:
    return [note["text"] for note in shown["notes"]]


async def test_the_plane_says_how_unsure_it_is(pictures: Page) -> None:
    """The model's own unsure band, and the spread of the last ten valid windows."""
    points = [point(age, 0.04 * age, 0.3) for age in range(19, -1, -1)]
    shown = await drawn(pictures, "Plane", headset(points), verdict())
    spread = shown["shapes"][-1]
    # The last ten are 0.00, 0.04, … 0.36.
    assert [spread["y0"], spread["y1"]] == pytest.approx([0.036, 0.324])
    assert "the middle 80 % of the last 10 estimates lie: arousal 0.04 to 0.32" in shown["words"]
    bands = [each for each in shown["shapes"] if each["type"] == "rect" and "opacity" in each]
    assert [[band["y0"], band["y1"]] for band in bands] == [[0.4, 0.6]]
    assert "unsure there, arousal from 0.40 to 0.60." in shown["words"]
    assert texts(shown).count("unsure") == 1


async def test_the_spread_knows_nothing_of_before_a_break_nor_of_too_few(pictures: Page) -> None:
    before = [point(age, 0.9, 0.9) for age in range(40, 20, -1)]
    after = [point(age, 0.2, 0.3, joined=age != 5) for age in range(5, -1, -1)]
    shown = await drawn(pictures, "Plane", headset(before + after), verdict())
    spread = shown["shapes"][-1]
    assert [spread["y0"], spread["y1"]] == pytest.approx([0.2, 0.2])
    assert "last 6 estimates" in shown["words"]
    few = await drawn(pictures, "Plane", headset(before + after[:1]), verdict())
    assert "Dashed box" not in few["words"]


async def test_the_point_is_hollow_when_unsure_and_gone_when_not_the_present(
    pictures: Page,
) -> None:
    points = [point(age, 0.5, 0.3) for age in (90, 59, 30, 0)]
    sure = (await drawn(pictures, "Plane", headset(points), verdict()))["data"]
    assert sure[1]["marker"]["symbol"] == "circle"
    assert len(sure[0]["x"]) == 2  # the last minute's, the present one apart
    assert sure[0]["marker"]["opacity"] == sorted(sure[0]["marker"]["opacity"])

    unsure = await drawn(pictures, "Plane", headset(points), verdict(0.5, "unsure"))
    assert unsure["data"][1]["marker"]["symbol"] == "circle-open"
    assert "arousal unsure, low valence" in unsure["ariaLabel"]

    why = ["No new window has arrived."]
    old = verdict(current=False, silent=True, why=why, ageSeconds=12)
    shown = await drawn(pictures, "Plane", headset(points), old)
    assert shown["data"][1]["x"] == []
    assert len(shown["data"][0]["x"]) == 3
    assert "No current estimate<br>Last valid: 12 s ago" in texts(shown)
    assert "no current estimate. No new window has arrived." in shown["ariaLabel"]
    none = verdict(current=False, silent=True, why=why, lastValid=None, newest=None)
    assert "No estimate so far" in texts(await drawn(pictures, "Plane", None, none))


async def test_a_recordings_rating_is_no_estimate(pictures: Page) -> None:
    """The newest that states both; 5 of 1 to 9 lies in the middle."""
    markers = [
        {"time": NOW - 90, "text": "a", "ratings": {"arousal": 1, "valence": 1}},
        {"time": NOW - 30, "text": "b", "ratings": {"arousal": 9, "valence": 5}},
        {"time": NOW - 20, "text": "c", "ratings": {"arousal": 3}},
        {"time": NOW - 15, "text": "d", "ratings": {"arousal": 90, "valence": 5}},
        {"time": NOW - 10, "text": "e", "ratings": None},
    ]
    known = headset([point(0, 0.5, 0.5)], markers=markers)
    shown = await drawn(pictures, "Plane", known, verdict())
    rating, estimate = shown["data"][2], shown["data"][1]
    assert (rating["x"], rating["y"]) == ([0.5], [1])
    assert rating["text"] == ["rating"]
    assert rating["marker"]["symbol"] != estimate["marker"]["symbol"]
    assert "no estimate: arousal 9.0, valence 5.0 of 1 to 9" in shown["words"]
    silent = await drawn(pictures, "Plane", known, verdict(current=False, silent=True))
    assert silent["data"][2]["x"] == []

    curves = await drawn(pictures, "Curves", known)
    steps = curves["data"][3]
    assert (steps["y"], steps["line"]["shape"], steps["line"]["dash"]) == ([0, 1, 1], "hv", "dash")
    assert curves["key"] == "Dashed: rating of the recording, one for the whole trial, no estimate."
    rated = [line.split(": ")[1] for line in curves["words"] if "rated trial" in line]
    assert any("marker, c." in line for line in curves["words"])  # half a rating is none
    assert rated[-1] == "rated trial, arousal 9.0, valence 5.0 of 1 to 9."


async def test_gaps_are_gaps_and_what_has_no_score_says_why(pictures: Page) -> None:
    points = [
        point(200, 0.5, 0.5),
        point(199, 0.6, 0.5),
        point(198, None, None, reasons=["poor_contact"]),
        point(197, None, None, reasons=["poor_contact"]),
        point(196, None, None, reasons=["stale"]),
        point(195, 0.6, 0.5),
        point(100, 0.7, 0.5, joined=False),
        point(99, None, None),
    ]
    shown = await drawn(pictures, "Curves", headset(points))
    arousal, valence, strip = shown["data"][:3]
    assert arousal["y"] == [0.5, 0.6, None, None, None, 0.6, None, 0.7, None]
    assert not arousal["connectgaps"]
    assert [value is None for value in valence["y"]] == [value is None for value in arousal["y"]]
    assert strip["width"] == [2000, 1000, 94000, 1000]
    said = ["poor contact", "stopped sending", "No window came", "No score"]
    assert all(word in text for word, text in zip(said, strip["text"], strict=True))
    assert all(word in line for word, line in zip(said, shown["words"], strict=True))
    shapes = strip["marker"]["pattern"]["shape"]
    assert len(set(shapes[:3])) == 3
    assert "nothing came" in texts(shown)  # it is wide enough for its name
    assert "4 estimates" in shown["ariaLabel"]


async def test_markers_alarms_and_the_baseline_stand_in_the_curves(pictures: Page) -> None:
    """Texts are data: markup in them is shown, not followed."""
    before = {"window": {"start": NOW - 65, "end": NOW - 60}}
    known = headset(
        [point(0, 0.5, 0.5)],
        markers=[
            {"time": NOW - 250, "text": '<a href="/x">go</a>', "ratings": None},
            {"time": NOW - 500, "text": "before", "ratings": None},
        ],
        alarms=[
            {"severity": "critical", "text": "Tense", "raised": NOW - 180, "cleared": NOW - 150},
            {"severity": "warning", "text": "Low", "raised": NOW - 20, "cleared": None},
        ],
        baseline={
            "state": "applied",
            "profile": "p07",
            "clean_seconds": 30,
            "refused": {"movement": 6},
            "before": before,
            "after": None,
        },
    )
    shown = await drawn(pictures, "Curves", known)
    spans = [each for each in shown["shapes"] if each["type"] == "rect"]
    stamp = "(t) => import('/static/curves.js').then(({ localStamp }) => localStamp(t))"

    async def at(age: float) -> str:
        return str(await pictures.value(f"({stamp})({NOW - age})"))

    wanted = [
        (await at(180), await at(150)),
        (await at(20), await at(0)),
        (await at(96), await at(60)),
    ]
    assert [(span["x0"], span["x1"]) for span in spans] == wanted
    names = texts(shown)
    assert {"critical: Tense", "warning: Low", "baseline of p07 applied"} <= set(names)
    assert any(name.startswith("&lt;a href=") for name in names)
    assert not await pictures.value("curves.card.querySelectorAll('a').length")
    assert any("alarm, critical: Tense." in line for line in shown["words"])
    assert any("baseline of p07 applied." in line for line in shown["words"])
    assert not any("before" in line for line in shown["words"])

    # Ten minutes reach further back.
    await pictures.value(
        """(() => {
          const select = curves.card.querySelector("select");
          select.value = "10";
          select.dispatchEvent(new Event("change"));
        })()"""
    )
    words = await pictures.value("curves.card.querySelector('ul').textContent")
    assert "marker, before." in words
    assert "ten minutes" in await pictures.value("curves.element.ariaLabel")


async def test_nothing_known_draws_nothing(pictures: Page) -> None:
    shown = await drawn(pictures, "Curves", None)
    assert [trace["x"] for trace in shown["data"]] == [[]] * 5
    assert (shown["words"], shown["key"]) == ([], None)
    assert shown["ariaLabel"] == "Arousal and valence over the last five minutes: no estimates"
    assert pictures.complaints == []
