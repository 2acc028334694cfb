"""What was before the page was opened: curves, markers and alarms, never as the present."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.support.alarms import alarms_in
from tests.support.browser import Page
from tests.support.service import Service

from eeg_emotion.alarms.store.store import StoreError
from eeg_emotion.codes import Reason
from eeg_emotion.publish.messages import Marker, Prediction, Score, Status, WindowSpan

pytestmark = pytest.mark.slow

Predict = Callable[..., Prediction]
CURVE = 'document.getElementById("curves").data?.[0].y ?? []'
ALARMS_WERE = 'document.getElementById("alarms-were")'
WERE = '[...document.querySelectorAll("#alarm-history li")].map((item) => item.innerText)'
SAID = 'document.querySelector("#alarm-history p").textContent'
OLDER = 'document.querySelector("#alarm-history button")'
UNSCORED = Score(probability=None, label=None)
RATED = {"arousal": 7.0, "valence": 3.0}


@pytest.fixture
async def alarming(service: Service, tmp_path: Any) -> AsyncIterator[Service]:
    """Raise an alarm whenever arousal is high, and clear it when it is low."""
    service.events.close()
    (tmp_path / "store").mkdir()
    rule = {
        "name": "excited",
        "text": "Excited.",
        "severity": "warning",
        "when": [{"of": "arousal", "above": 0.5}],
    }
    service.alarms, service.events = alarms_in(tmp_path / "store", service.bus, rule)
    task = asyncio.create_task(service.alarms.run())
    yield service
    task.cancel()
    await asyncio.wait([task])


def past(prediction: Predict, seq: int, age: float, high: bool | None) -> Prediction:
    """Make a window that ended so many seconds ago; without a score where `high` is None."""
    end = time.time() - age
    changes: dict[str, Any] = {"window": WindowSpan(start=end - 5, end=end), "epoch": "e0"}
    if high is None:
        changes |= {"valid": False, "reasons": (Reason.GAP,)}
    values = {None: UNSCORED, True: Score(probability=0.8, label="high")}
    score = values.get(high, Score(probability=0.2, label="low"))
    return prediction("h1", seq, arousal=score, valence=score, **changes)


async def test_the_curves_begin_before_the_page_and_gaps_stay_gaps(
    page: Page, service: Service, address: str, prediction: Predict
) -> None:
    headsets: Any = service.headsets
    service.bus.publish(Status(headset=headsets.add("h1")))
    # 12 s are missing between the fourth and the fifth, and one is not scored.
    for seq, (age, high) in enumerate(
        [(64, True), (63, True), (62, None), (61, False), (49, False), (48, True)]
    ):
        service.bus.publish(past(prediction, seq + (seq > 3) * 11, age, high))
    marked = time.time() - 63
    service.bus.publish(Marker(headset="h1", time=marked, text="trial 3", ratings=RATED))
    await page.open(f"http://{address}")
    await page.until(f"({CURVE}).length === 7")
    assert await page.value(CURVE) == [0.8, 0.8, None, 0.2, None, 0.2, 0.8]
    await page.until('document.getElementById("curves").data[3].y.length > 0')
    words = await page.value('document.querySelector("#curves ~ details ul").textContent')
    assert "rated trial, arousal 7.0, valence 3.0 of 1 to 9" in words
    shown = await page.until("!now.current")
    assert (shown["arousal"], shown["valence"]) == ("–", "–")
    age = await page.value('document.getElementById("age").textContent')
    assert age.startswith("Last valid estimate: ")
    assert 47 < int(age.split()[3]) < 60

    # What comes now follows; nothing is there twice.
    service.bus.publish(past(prediction, 17 + 47, 0, True))
    await page.until("now.current")
    await page.until(f"({CURVE}).at(-1) === 0.8 && ({CURVE}).length === 9")
    assert await page.value(CURVE) == [0.8, 0.8, None, 0.2, None, 0.2, 0.8, None, 0.8]
    assert await page.value('document.getElementById("past-trouble").checkVisibility()') is False


async def test_what_is_not_known_of_the_past_is_said(
    page: Page,
    service: Service,
    address: str,
    prediction: Predict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: Any) -> None:
        raise StoreError("found no disk, expected one; mount it")

    monkeypatch.setattr(service.events, "events", fail)
    headsets: Any = service.headsets
    service.bus.publish(Status(headset=headsets.add("h1")))
    service.bus.publish(past(prediction, 0, 20, True))
    await page.open(f"http://{address}")
    trouble = 'document.getElementById("past-trouble").textContent'
    await page.until(f'{trouble}.includes("found no disk")')
    await page.until(f"({CURVE}).length === 1")  # the others are known

    await page.value('document.getElementById("alarms-were").open = true')
    await page.until(f'{SAID}.includes("found no disk")')


@pytest.fixture
def without_alarms(service: Service) -> Service:
    """Serve as the base install does."""
    service.alarms_installed = False
    return service


async def test_where_alarms_are_not_installed_their_list_says_so_and_the_past_is_whole(
    page: Page, without_alarms: Service, address: str, prediction: Predict
) -> None:
    headsets: Any = without_alarms.headsets
    without_alarms.bus.publish(Status(headset=headsets.add("h1")))
    without_alarms.bus.publish(past(prediction, 0, 20, True))
    await page.open(f"http://{address}")
    await page.until(f"({CURVE}).length === 1")
    await page.value('document.getElementById("alarms-were").open = true')
    await page.until(f'{SAID}.startsWith("Alarms are not installed in this service")')
    assert await page.value('document.getElementById("past-trouble").checkVisibility()') is False


async def test_alarms_that_were_are_listed_and_go_on_and_older_ones_come_by_pages(
    page: Page, alarming: Service, address: str, prediction: Predict
) -> None:
    headsets: Any = alarming.headsets
    alarming.bus.publish(Status(headset=headsets.add("h1")))

    def kept() -> Any:
        return alarming.events.events(
            may_read=lambda _: True, headset=None, raised=False, before=None, limit=1000
        )

    async def changes(first: int, count: int) -> None:
        for seq in range(first, first + count):
            alarming.bus.publish(past(prediction, seq, 0, high=seq % 2 == 0))
            async with asyncio.timeout(20):
                while len(kept()) <= seq:  # noqa: ASYNC110 - the store tells nobody
                    await asyncio.sleep(0.005)

    await page.open(f"http://{address}")
    await page.value(f"{ALARMS_WERE}.open = true")
    await page.until(f'{SAID} === "There have been none."')
    await changes(0, 2)
    await page.until(f"({WERE}).length === 2")
    cleared, raised = await page.value(WERE)
    assert "Cleared" in cleared
    for word in ("warning", "Raised", "Excited.", "Headset h1", "rule excited"):
        assert word in raised

    # While it is closed, more come than a page holds.
    await page.value(f"{ALARMS_WERE}.open = false")
    await changes(2, 59)
    await page.value(f"{ALARMS_WERE}.open = true")
    await page.until(f'{SAID} === "50 changes, and older ones."')
    await page.value(f"{OLDER}.focus()")
    await changes(61, 2)
    await page.until(f'{SAID} === "52 changes, and older ones."')
    assert await page.value(f"document.activeElement === {OLDER}")
    await page.value(f"{OLDER}.click(), {OLDER}.click()")
    await page.until(f'{SAID} === "63 changes."')
    assert await page.value(f"({WERE}).length") == 63
    assert not await page.value(f"{OLDER}.checkVisibility()")

    # The last one is raised still: it is acknowledged with a note, which stands in the list.
    raised = {"alarms": alarming.alarms.raised("h1")}
    alarming.bus.publish(Status(headset=headsets.known["h1"].model_copy(update=raised)))
    await page.until('document.querySelector("#alarm-list input") !== null')
    await page.value('document.querySelector("#alarm-list summary").click()')
    await page.value('document.querySelector("#alarm-list input").focus()')
    await page.call("Input.insertText", text=" seen on the tram ")
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    await page.call("Input.dispatchKeyEvent", type="keyDown", **enter)
    await page.until(f"({WERE}).length === 64")
    newest, *_ = await page.value(WERE)
    assert "Acknowledged by anonymous: “seen on the tram”" in newest
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    await page.call("Emulation.setDeviceMetricsOverride", **size)
    await page.until("document.documentElement.scrollWidth <= 360")


# A headset and its past on their own: `answers` gives what a path is answered with, in its turn.
ALONE = """(async () => {
  const { Headset } = await import("/static/headsets.js");
  const { Past } = await import("/static/history.js");
  window.make = (id) => new Headset(id);
  window.model = { hop_seconds: 1, normaliser: "training-people" };
  window.window_ = (seq, end = seq) => ({
    epoch: "e0", seq, window: { end }, valid: true, reasons: [],
    arousal: { probability: 0.5 }, valence: { probability: 0.5 },
  });
  window.asked = [];
  window.pages = new Map();
  window.ask = async (method, path) => {
    asked.push(path);
    const answer = await pages.get(path);
    if (answer instanceof Error) throw answer;
    const { pathname } = new URL(path, location);
    const name = ["alarms", "events"].find((each) => pathname.endsWith(each)) ?? "predictions";
    return answer ?? { [name]: [], next: null };
  };
  window.past = new Past(ask, () => {});
  window.done = async () => {
    while (past.asking) await new Promise((next) => setTimeout(next));
  };
  window.connection = (entries = []) => ({ welcome: { model }, recovered: new Map(entries) });
  window.seqs = (headset) => headset.points.map(({ seq }) => seq);
  window.historyOf = (id) => `/v1/headsets/${id}/history?limit=1000`;
})()"""


@pytest.fixture
async def alone(page: Page, address: str) -> Page:
    await page.open(f"http://{address}/static/history.js")  # a bare document of the same origin
    await page.value(ALONE)
    return page


async def test_what_the_stream_gives_too_is_there_once_and_alone_is_the_present(
    alone: Page,
) -> None:
    found = await alone.value(
        """(() => {
          const h1 = make("h1");
          h1.accept(window_(5), 70, 1);
          h1.remember([7, 6, 5, 4, 2].map((seq) => window_(seq)), 1);
          const before = [h1.newest.seq, h1.arrivedAt, h1.lastValid.seq];
          for (const seq of [6, 7, 8]) h1.accept(window_(seq), 71, 1);
          const joined = h1.points.map(({ joined }) => joined);
          h1.mark({ time: 6, text: "b", ratings: null });
          h1.recall([{ time: 6, detail: "b" }, { time: 5, detail: "a" }]);
          h1.mark({ time: 5, text: "a" });
          const alarm = { alarm: "x", rule: "r", severity: "info", text: "t" };
          h1.alarm({ ...alarm, change: "cleared", time: 8 });
          h1.alarm({ ...alarm, change: "raised", time: 3 });
          h1.alarm({ ...alarm, change: "cleared", time: 8 });
          const [{ raised, cleared }] = h1.alarms;
          const markers = h1.markers.map(({ text }) => text);
          const newest = h1.newest.seq;
          return { before, seqs: seqs(h1), joined, newest, markers, raised, cleared };
        })()"""
    )
    assert found == {
        "before": [5, 70, 7],
        "seqs": [2, 4, 5, 6, 7, 8],
        "joined": [False, False, True, True, True, True],
        "newest": 8,
        "markers": ["a", "b"],
        "raised": 3,
        "cleared": 8,
    }


async def test_all_pages_go_to_the_headset_they_were_asked_for(alone: Page) -> None:
    await alone.value(
        """(async () => {
          window.h1 = make("h1");
          window.h2 = make("h2");
          let give;
          pages.set(historyOf("h1"), new Promise((answer) => { give = answer; }));
          pages.set("/second", { predictions: [window_(1), window_(0)], next: null });
          pages.set(historyOf("h2"), { predictions: [window_(9)], next: null });
          const first = connection();
          past.follow(h1, first, 3);
          past.follow(h2, first, 3); // chosen meanwhile: its turn comes
          give({ predictions: [window_(3), window_(2)], next: "/second" });
          await done();
          past.follow(h2, first, 3);
          await done();
          past.follow(h1, first, 3); // it is known
          await done();
        })()"""
    )
    assert await alone.value("[seqs(h1), seqs(h2), asked.length]") == [[0, 1, 2, 3], [9], 3 + 1 + 3]


async def test_it_is_asked_again_where_a_connection_did_not_go_on_or_not_all_came(
    alone: Page,
) -> None:
    troubles = await alone.value(
        """(async () => {
          window.h1 = make("h1");
          window.h2 = make("h2");
          const said = [];
          const follow = async (headset, stream) => {
            asked.length = 0;
            past.follow(headset, stream, 3);
            await done();
            past.follow(headset, stream, 3);
            said.push([asked.includes(historyOf(headset.id)), past.troubleOf(headset)]);
          };
          pages.set(historyOf("h1"), new Error("Not today."));
          const first = connection();
          await follow(h1, first);
          await follow(h2, first);
          await follow(h1, first); // what it lacked is said, and it is not asked without end
          pages.set(historyOf("h1"), { predictions: [window_(1)], next: null });
          await follow(h1, connection([["h1", true]])); // not all of it was known
          await follow(h1, connection([["h1", true]]));
          await follow(h1, connection([["h1", false]]));
          return said;
        })()"""
    )
    trouble = "Of the past not all is known: Not today."
    assert troubles == [
        [True, trouble],
        [True, ""],
        [False, trouble],
        [True, ""],
        [False, ""],
        [True, ""],
    ]


async def test_the_baseline_is_known_where_the_model_needs_one_unless_a_message_tells(
    alone: Page,
) -> None:
    states = await alone.value(
        """(async () => {
          model.normaliser = "rest-baseline";
          for (const id of ["h1", "h2"]) {
            pages.set(`/v1/headsets/${id}/baseline`, { state: "applied" });
          }
          const [h1, h2] = [make("h1"), make("h2")];
          past.follow(h1, connection(), 3);
          await done();
          past.follow(h2, connection(), 3);
          h2.baseline = { state: "collecting" };
          await done();
          return [h1.baseline.state, h2.baseline.state];
        })()"""
    )
    assert states == ["applied", "collecting"]


async def test_alarms_that_began_before_all_that_is_shown_are_shown_without_an_error(
    alone: Page,
) -> None:
    found = await alone.value(
        """(async () => {
          const { happeningsOf, inWords } = await import("/static/annotations.js");
          const said = { rule: "r", severity: "info", text: "t" };
          pages.set("/v1/alarms?headset=h1&limit=1000", { next: null, alarms: [
            { ...said, alarm: "half", change: "cleared", time: 9600 },
            { ...said, alarm: "long", change: "cleared", time: 9500 },
            { ...said, alarm: "long", change: "raised", time: 8000 },
            { ...said, alarm: "old", change: "cleared", time: 7000 },
            { ...said, alarm: "old", change: "raised", time: 6900 },
          ] });
          const h1 = make("h1");
          past.follow(h1, connection(), 10000);
          await done();
          const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
          return inWords([], happeningsOf(h1, 10000), clock);
        })()"""
    )
    assert found == [
        "earlier to 02:40:00: alarm, info: t.",
        "02:13:20 to 02:38:20: alarm, info: t.",
    ]
