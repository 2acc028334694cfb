"""static/client.js in a real browser: against a fake WebSocket, then against the service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.browser import Page
from tests.support.proxy import Proxy
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.tokens import TokenVerifier
from eeg_emotion.client.handshake import LARGEST_MESSAGE, make_opening
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.history import History, Position
from eeg_emotion.publish.messages import PROTOCOL, Prediction
from eeg_emotion.publish.outbox import ACK_EVERY, CREDITS, Outbox
from eeg_emotion.publish.rates import TokenBucket

pytestmark = pytest.mark.slow

Predict = Callable[..., Prediction]
Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]

# A stream whose messages are kept, with what a test needs to look at.
BEGIN = """
const { EmotionStream } = await import("/static/client.js");
globalThis.follow = ({ host = location.host, ...options } = {}) => {
  globalThis.heard = [];
  globalThis.states = [];
  globalThis.whys = [];
  globalThis.stream = new EmotionStream(`ws://${host}/v1/stream`, {
    onMessage: (message) => heard.push({ ...message, at: performance.now() }),
    onState: (state, why) => states.push(state) && whys.push(why),
    ...options,
  });
  stream.open();
};
globalThis.until = async (holds, milliseconds = 50000) => {
  const end = performance.now() + milliseconds;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not in time: ${holds}`);
    await new Promise((done) => setTimeout(done, 10));
  }
};
globalThis.rest = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
globalThis.predicted = () => heard.filter((message) => message.type === "prediction");
"""
# A WebSocket in the test's hands.
FAKE = """
globalThis.sockets = [];
globalThis.WebSocket = class {
  constructor(url, protocol) {
    Object.assign(this, { url, protocol, texts: [], times: [], closed: false });
    sockets.push(this);
  }
  send(text) {
    this.texts.push(text);
    this.times.push(performance.now() / 1000);
  }
  close() { this.closed = true; }
  get said() { return this.texts.map((text) => JSON.parse(text)); }
  saidOf(type) { return this.said.filter((message) => message.type === type); }
  say(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
  end(code, reason = "") { this.onclose?.({ code, reason }); }
  welcome(changes = {}) {
    this.onopen();
    this.say({
      type: "welcome", protocol: "emotion.v1.json", ack_every: 4, heartbeat_seconds: 20, ...changes,
    });
  }
};
globalThis.newest = () => sockets.at(-1);
globalThis.prediction = (seq, headset = "h1", epoch = "e0") =>
  ({ type: "prediction", headset, epoch, seq });
// The page's clock goes on as if so many seconds had been slept through.
const now = Date.now;
globalThis.skipped = 0;
Date.now = () => now() + skipped * 1000;
"""


async def evaluate(page: Page, body: str) -> Any:
    """Run statements in the page; gives what they return."""
    return await page.value(f"(async () => {{ {body} }})()")


@pytest.fixture
async def fake(page: Page, address: str) -> Page:
    """A page without anything of its own, with the client and the fake."""
    await page.open(f"http://{address}/livez")
    await evaluate(page, BEGIN + FAKE)
    return page


@pytest.fixture
async def blank(page: Page, address: str) -> Page:
    """The same with the browser's own WebSocket."""
    await page.open(f"http://{address}/livez")
    await evaluate(page, BEGIN)
    return page


async def test_it_says_who_it_is_and_what_it_follows(fake: Page) -> None:
    said, protocol, states = await evaluate(
        fake,
        """
        follow({ headsets: ["h1", "h2"], detail: ["h1"], token: () => "a key" });
        const early = newest().texts.length;
        newest().welcome();
        return [[early, ...newest().said], newest().protocol, states];
        """,
    )
    assert said == [
        0,
        {
            "type": "hello",
            "acknowledges": True,
            "token": "a key",
            "subscribe": ["h1", "h2"],
            "detail": ["h1"],
        },
    ]
    assert protocol == PROTOCOL
    assert states == ["connecting", "connected"]


async def test_detail_is_asked_for_of_the_headset_that_was_chosen_last(fake: Page) -> None:
    hello, at_once, later, again = await evaluate(
        fake,
        """
        follow({ detail: ["h1"] });
        sockets[0].onopen();
        stream.chooseDetail("h2"); // after the hello and before the welcome
        sockets[0].onopen = () => {};
        sockets[0].welcome();
        const [hello, ...atOnce] = sockets[0].said;
        stream.chooseDetail("h2");
        stream.chooseDetail("h3");
        stream.chooseDetail(null);
        const later = sockets[0].said.slice(1 + atOnce.length);
        stream.chooseDetail("h4");
        stream.open();
        newest().welcome();
        return [hello, atOnce, later, newest().said];
        """,
    )
    assert hello["detail"] == ["h1"]

    def ask(headset: str) -> dict[str, Any]:
        return {"type": "subscribe", "headsets": [], "detail": [headset]}

    def end(headset: str) -> dict[str, Any]:
        return {"type": "unsubscribe", "headsets": [headset]}

    assert at_once == [end("h1"), ask("h2")]
    assert later == [end("h2"), ask("h3"), end("h3")]
    assert [message["detail"] for message in again] == [["h4"]]


async def test_a_headset_that_is_followed_by_its_name_is_followed_on_without_its_detail(
    fake: Page,
) -> None:
    said = await evaluate(
        fake,
        """
        follow({ headsets: ["h1", "h2"], detail: ["h1"] });
        newest().welcome();
        stream.chooseDetail("h2");
        return newest().said.slice(1);
        """,
    )
    assert said == [{"type": "subscribe", "headsets": [], "detail": ["h2"]}]


async def test_it_opens_as_the_python_client_does(fake: Page) -> None:
    everything = [["*"], ["ward 0", "*"], ["ward 0", "ward 1", "ward 299"]]
    for headsets, count in product(everything, [0, 3, 60, 300]):
        positions = {f"ward {each}": Position(f"é{each}", each) for each in range(count)}
        reported = {name: {"epoch": at.epoch, "seq": at.seq} for name, at in positions.items()}
        texts = await evaluate(
            fake,
            f"""
            const {{ openingMessages }} = await import("/static/handshake.js");
            return openingMessages({{
              token: "k".repeat(500), headsets: {json.dumps(headsets)}, detail: ["*"],
              positions: new Map(Object.entries({json.dumps(reported)})),
            }});
            """,
        )
        assert texts == list(make_opening("k" * 500, headsets, ["*"], positions).texts)
        assert all(len(text.encode()) <= LARGEST_MESSAGE for text in texts)


async def test_it_says_no_more_at_once_than_the_service_allows(fake: Page) -> None:
    times = await evaluate(
        fake,
        """
        const long = (number) => `${number}`.padStart(190, "x");
        follow({ headsets: Array.from({ length: 250 }, (_, number) => long(number)) });
        newest().welcome({ ack_every: 1000 });
        for (let number = 0; number < 250; number += 1) newest().say(prediction(0, long(number)));
        newest().end(4008);
        newest().welcome();
        await until(() => newest().saidOf("subscribe").flatMap((m) => m.headsets).length >= 235);
        const again = newest().saidOf("hello").concat(newest().saidOf("subscribe"));
        if (Object.assign({}, ...again.map((m) => m.resume)).length < 250) throw new Error("lost");
        return newest().times;
        """,
    )
    assert len(times) > 20
    clock = iter([times[0], *times])
    bucket = TokenBucket(5.0, 20, lambda: next(clock))
    assert all(bucket.acquire() for _ in times)


async def test_it_acknowledges_every_message_of_whatever_kind(fake: Page) -> None:
    acks, kinds = await evaluate(
        fake,
        """
        follow();
        newest().welcome();
        const counts = [];
        for (const message of [
          { type: "subscribed", headset: "*", recovered: null, missed: 0 },
          { type: "status", headset: { id: "h1" } },
          prediction(0), prediction(0), { type: "pong" }, { type: "of a later version" },
          prediction(1), prediction(2),
        ]) {
          newest().say(message);
          counts.push(newest().saidOf("ack").at(-1)?.received ?? 0);
        }
        return [counts, heard.map(({ type }) => type)];
        """,
    )
    assert acks == [0, 0, 0, 4, 4, 4, 4, 8]
    # A prediction that it has is given once, and an answer to its own question not at all.
    given = ["welcome", "subscribed", "status", "prediction", "of a later version"]
    assert kinds == [*given, "prediction", "prediction"]


async def test_a_reader_that_fails_does_not_stop_the_count(fake: Page) -> None:
    acks = await evaluate(
        fake,
        """
        follow({ onMessage: (message) => {
          if (message.type === "prediction") throw new Error("the reader's");
        } });
        newest().welcome();
        for (let seq = 0; seq < 4; seq += 1) try { newest().say(prediction(seq)); } catch {}
        return newest().saidOf("ack");
        """,
    )
    assert acks == [{"type": "ack", "received": 4}]


async def test_at_one_prediction_a_second_only_the_rest_is_acknowledged_when_it_grows_quiet(
    fake: Page,
) -> None:
    meanwhile, waited, received = await evaluate(
        fake,
        """
        let tick, later = 0;
        globalThis.setInterval = (work) => { tick = work; };
        performance.now = () => later;
        const pass = () => { later += 250; tick(); };
        follow();
        newest().welcome({ ack_every: 16 });
        for (let seq = 0; seq < 12; seq += 1) {
          newest().say(prediction(seq));
          for (let quarter = 0; quarter < 4; quarter += 1) pass();
        }
        const meanwhile = newest().saidOf("ack").length;
        while (newest().saidOf("ack").length === meanwhile) pass();
        return [meanwhile, later / 1000 - 11, newest().saidOf("ack").at(-1).received];
        """,
    )
    assert meanwhile <= 2
    assert received == 12
    assert 2 < waited < 10  # far from the hop, and from the 30 s after which one is given up


async def test_it_goes_on_where_it_was_and_tells_what_is_lost(fake: Page) -> None:
    hello, recovered, seqs = await evaluate(
        fake,
        """
        follow();
        newest().welcome();
        newest().say(prediction(6));
        newest().say(prediction(7));
        newest().say(prediction(3, "h2", "e5"));
        newest().say(prediction(1, "h3"));
        const before = [...stream.recovered];
        newest().end(4008);
        newest().welcome();
        newest().say({ type: "subscribed", headset: "h1", recovered: true, missed: 2 });
        newest().say({ type: "subscribed", headset: "h2", recovered: false, missed: 0 });
        newest().say({ type: "subscribed", headset: "*", recovered: null, missed: 0 });
        // The last two are as a restarted service would send.
        for (const seq of [7, 8, 9]) newest().say(prediction(seq));
        newest().say(prediction(0, "h2", "e6"));
        return [newest().saidOf("hello")[0], [before, ...stream.recovered],
                predicted().map(({ headset, epoch, seq }) => [headset, epoch, seq])];
        """,
    )
    assert hello["resume"] == {
        "h1": {"epoch": "e0", "seq": 7},
        "h2": {"epoch": "e5", "seq": 3},
        "h3": {"epoch": "e0", "seq": 1},
    }
    # Of the third nothing was said, so nothing is promised.
    assert recovered == [[], ["h1", True], ["h2", False], ["h3", False]]
    assert seqs == [
        *(["h1", "e0", 6], ["h1", "e0", 7], ["h2", "e5", 3], ["h3", "e0", 1]),
        *(["h1", "e0", 8], ["h1", "e0", 9], ["h2", "e6", 0]),
    ]


async def test_silence_is_questioned_and_then_taken_for_a_loss(fake: Page) -> None:
    pinged, states, kept = await evaluate(
        fake,
        """
        follow();
        newest().welcome({ heartbeat_seconds: 0.5 });
        const socket = newest();
        await until(() => socket.saidOf("ping").length === 1);
        socket.say({ type: "pong" });
        await rest(400);
        const kept = stream.state;
        await until(() => stream.state === "waiting");
        return [socket.saidOf("ping").length, states, kept];
        """,
    )
    assert pinged == 2
    assert kept == "connected"
    assert states == ["connecting", "connected", "waiting"]


async def test_waits_double_up_to_twenty_seconds_and_are_drawn_below_that(fake: Page) -> None:
    highest, lowest = await evaluate(
        fake,
        """
        const waits = (drawn) => {
          Math.random = () => drawn;
          follow();
          return Array.from({ length: 8 }, () => {
            newest().end(1006);
            const wait = stream.resumeAt - Date.now();
            stream.open();
            return wait / 1000;
          });
        };
        return [waits(0.999999), waits(0)];
        """,
    )
    assert highest == pytest.approx([0.5, 1, 2, 4, 8, 16, 20, 20], abs=0.05)
    assert lowest == pytest.approx([0] * 8, abs=0.05)


async def test_only_a_connection_that_held_takes_the_wait_back(fake: Page) -> None:
    short, long = await evaluate(
        fake,
        """
        Math.random = () => 0.999999;
        const steady = performance.now.bind(performance);
        let later = 0;
        performance.now = () => steady() + later;
        follow();
        const wait = (held) => {
          newest().welcome();
          later += held;
          newest().end(1006);
          const seconds = (stream.resumeAt - Date.now()) / 1000;
          stream.open();
          return seconds;
        };
        wait(0);
        return [wait(9000), wait(11000)];
        """,
    )
    assert short == pytest.approx(1, abs=0.05)
    assert long == pytest.approx(0.5, abs=0.05)


async def test_a_service_that_leaves_names_the_time_and_is_received_until_it_closes(
    fake: Page,
) -> None:
    seqs, waited, early, planned = await evaluate(
        fake,
        """
        Math.random = () => 0.999999;
        follow();
        newest().welcome();
        newest().say({ type: "going_away", reconnect_after_ms: 1200 });
        const told = performance.now();
        newest().say(prediction(0));
        newest().end(4001);
        const planned = stream.resumeAt - Date.now();
        dispatchEvent(new Event("online"));
        await rest(700);
        const early = sockets.length;
        await until(() => sockets.length === 2);
        return [predicted().map(({ seq }) => seq), performance.now() - told, early, planned];
        """,
    )
    assert seqs == [0]
    assert early == 1  # nothing, not even a network that is back, hastens it
    assert waited > 1150
    assert planned < 2000


async def test_of_two_farewells_the_newest_counts_and_none_outlives_the_stream(fake: Page) -> None:
    early, late, closed = await evaluate(
        fake,
        """
        const goAway = (wait) => newest().say({ type: "going_away", reconnect_after_ms: wait });
        follow();
        newest().welcome();
        goAway(100);
        goAway(400);
        await rest(250);
        const early = sockets.length;
        await until(() => sockets.length === 2);
        newest().welcome();
        goAway(100);
        goAway(100);
        stream.close();
        await rest(250);
        return [early, sockets.length, stream.state];
        """,
    )
    assert (early, late, closed) == (1, 2, "closed")


async def test_after_an_expired_token_the_waits_start_over(fake: Page) -> None:
    tokens, waited = await evaluate(
        fake,
        """
        Math.random = () => 0.999999;
        let count = 0;
        follow({ token: () => `token ${count += 1}` });
        for (let attempt = 0; attempt < 4; attempt += 1) {
          newest().end(1006);
          stream.open();
        }
        newest().welcome();
        newest().end(4003, "the token has expired");
        const waited = (stream.resumeAt - Date.now()) / 1000;
        await until(() => stream.state === "connecting");
        const before = sockets.at(-2).saidOf("hello")[0].token;
        newest().welcome();
        return [[before, newest().saidOf("hello")[0].token], waited];
        """,
    )
    assert tokens == ["token 1", "token 2"]
    assert waited == pytest.approx(0.5, abs=0.05)


async def test_the_third_connection_in_a_row_that_does_not_open_is_explained(
    fake: Page,
) -> None:
    reported, given = await evaluate(
        fake,
        """
        follow();
        newest().welcome();
        const reported = [];
        const fail = () => { newest().end(1006); reported.push([stream.state, stream.why]); };
        fail();
        for (let attempt = 0; attempt < 4; attempt += 1) { stream.open(); fail(); }
        stream.open();
        newest().welcome();
        reported.push([stream.state, stream.why]);
        fail();
        return [reported, whys];
        """,
    )
    assert [state for state, _ in reported] == [*["waiting"] * 5, "connected", "waiting"]
    silent = [why == "" for _, why in reported]
    assert silent == [True, True, True, False, False, True, True]
    assert re.fullmatch(
        r"could not open ws://.*/v1/stream: is the service running, and does it allow this page's "
        r"origin \(--origin http://127\.0\.0\.1:\d+\)\?",
        reported[3][1],
    )
    assert given.count(reported[3][1]) == 2


async def test_what_each_close_code_means(fake: Page) -> None:
    again, at_once = (1006, 1011, 1012, 4001, 4003, 4013, 4499), (4008,)
    final = (1009, 4500, 4502, 4999)
    found = await evaluate(
        fake,
        f"""
        Math.random = () => 0.2; // of half a second
        const streams = {json.dumps([*again, *at_once, *final])}.map((code) => {{
          follow();
          newest().welcome();
          newest().end(code, "because");
          return {{ code, stream, state: stream.state, of: stream.code, why: stream.why }};
        }});
        await rest(300);
        return streams.map(({{ code, state, of, why, stream }}) =>
          [code, [state, of, why, stream.state]]);
        """,
    )
    assert dict(found) == {
        **{code: ["waiting", None, "", "connecting"] for code in again},
        **{code: ["connecting", None, "", "connecting"] for code in at_once},
        **{code: ["refused", code, "because", "refused"] for code in final},
    }


async def test_another_protocol_is_refused_in_words(fake: Page) -> None:
    state, why = await evaluate(
        fake,
        """
        follow();
        newest().welcome({ protocol: "emotion.v9.json" });
        return [stream.state, stream.why];
        """,
    )
    assert state == "refused"
    assert "emotion.v9.json" in why


async def test_who_accepts_and_says_nothing_is_given_up(fake: Page) -> None:
    states = await evaluate(
        fake,
        """
        const real = setTimeout;
        globalThis.setTimeout = (work, milliseconds) => real(work, milliseconds / 50);
        follow();
        newest().onopen();
        await new Promise((done) => real(done, 100));
        const early = [...states];
        await new Promise((done) => real(done, 400));
        return [early, states.slice(0, 2)];
        """,
    )
    assert states == [["connecting"], ["connecting", "waiting"]]


async def test_after_a_long_sleep_it_connects_at_once_and_hears_no_old_news(fake: Page) -> None:
    states, count, closed, seqs = await evaluate(
        fake,
        """
        follow();
        newest().welcome();
        newest().say(prediction(0));
        skipped = 300; // a computer that slept
        const old = newest();
        old.say(prediction(1));
        await until(() => sockets.length === 2);
        old.say(prediction(2));
        await rest(600);
        return [states, sockets.length, old.closed, predicted().map(({ seq }) => seq)];
        """,
    )
    assert "waiting" not in states
    assert (count, closed, seqs) == (2, True, [0])


@pytest.mark.parametrize("answered", [True, False])
async def test_after_a_short_sleep_it_asks_at_once_whether_it_is_still_connected(
    fake: Page, answered: bool
) -> None:
    asked, waited, count = await evaluate(
        fake,
        f"""
        Math.random = () => 0.999999;
        follow();
        newest().welcome();
        skipped = 10;
        const woken = performance.now();
        await until(() => newest().saidOf("ping").length === 1);
        const asked = performance.now() - woken;
        if ({json.dumps(answered)}) newest().say(prediction(0)); // any message is an answer
        await until(() => sockets.length === 2, 3600).catch(() => {{}});
        return [asked, performance.now() - woken, sockets.length];
        """,
    )
    assert asked < 10_000  # and not when a heartbeat is missed
    assert count == (1 if answered else 2)
    assert waited > 2900


async def test_a_loss_on_waking_is_mended_at_once_and_only_once(fake: Page) -> None:
    states = await evaluate(
        fake,
        """
        Math.random = () => 0.999999;
        follow();
        newest().welcome();
        skipped = 10;
        await until(() => newest().saidOf("ping").length === 1);
        states.length = 0;
        newest().end(1006);
        newest().end(1006);
        return states;
        """,
    )
    assert states == ["connecting", "waiting"]


async def test_who_looks_again_or_is_back_online_does_not_wait(fake: Page) -> None:
    result = await evaluate(
        fake,
        """
        Math.random = () => 0.999999;
        const results = [];
        for (const wake of [
          () => dispatchEvent(new Event("online")),
          () => document.dispatchEvent(new Event("visibilitychange")),
          () => document.dispatchEvent(new Event("resume")),
        ]) {
          follow();
          newest().welcome();
          wake();
          wake();
          results.push(newest().saidOf("ping").length);
          newest().end(1006);
          newest().end(1006);
          const count = sockets.length;
          results.push(stream.state);
          wake();
          results.push(sockets.length - count);
          stream.close();
        }
        return results;
        """,
    )
    assert result == [1, "waiting", 1] * 3


async def test_a_hidden_page_is_asleep_only_where_it_was_frozen(fake: Page) -> None:
    hidden, frozen = await evaluate(
        fake,
        """
        Object.defineProperty(document, "hidden", { get: () => true });
        follow();
        newest().welcome();
        skipped = 60; // its timers may be a minute apart
        await rest(600);
        const hidden = [sockets.length, newest().saidOf("ping").length];
        document.dispatchEvent(new Event("freeze"));
        skipped += 60;
        newest().say(prediction(0));
        return [hidden, [sockets.length, predicted().length]];
        """,
    )
    assert hidden == [1, 0]
    assert frozen == [2, 0]


async def test_closed_is_closed(fake: Page) -> None:
    result = await evaluate(
        fake,
        """
        follow();
        newest().welcome({ heartbeat_seconds: 0.1 });
        stream.close();
        dispatchEvent(new Event("online"));
        skipped = 300;
        await rest(600);
        return [sockets.length, newest().closed, newest().saidOf("ping").length, stream.state];
        """,
    )
    assert result == [1, True, 0, "closed"]


# ---- against the service


@pytest.fixture
def outboxes(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[Outbox]:
    """Every outbox of the service, from the first."""
    found: list[Outbox] = []
    attach = Bus.attach

    def note(self: Bus, outbox: Outbox, may_read: Callable[[str], bool]) -> None:
        found.append(outbox)
        attach(self, outbox, may_read)

    monkeypatch.setattr(Bus, "attach", note)
    return found


def acknowledged(outbox: Outbox) -> int:
    return outbox.progress - outbox.sent


async def test_the_service_counts_its_acknowledgements(
    blank: Page, service: Service, prediction: Predict, outboxes: list[Outbox]
) -> None:
    await evaluate(blank, "follow(); await until(() => heard.length === 2);")
    (outbox,) = outboxes
    for begin in range(0, 10 * ACK_EVERY, ACK_EVERY):
        for number in range(ACK_EVERY):
            service.bus.publish(prediction(f"h{number}", seq=begin))
        await evaluate(blank, f"await until(() => predicted().length === {begin + ACK_EVERY})")
    # More than the credits, so all of it came only because of its acknowledgements.
    assert outbox.sent == 10 * ACK_EVERY + 1 > CREDITS
    assert outbox.conflated == 0
    assert acknowledged(outbox) < outbox.sent
    skip = "const now = performance.now(); performance.now = () => now + 6000; await rest(600);"
    await evaluate(blank, skip)
    assert acknowledged(outbox) == outbox.sent


@pytest.fixture
async def proxied(page: Page, address: str) -> AsyncIterator[Proxy]:
    """A page that follows all headsets through a proxy, and does not wait before it returns."""
    async with Proxy(address) as proxy:
        await through(page, proxy)
        yield proxy
        await evaluate(page, "stream.close()")


async def through(page: Page, proxy: Proxy) -> None:
    # The page itself comes that way too: another origin would be refused.
    await page.open(f"http://{proxy.address}/livez")
    await evaluate(page, BEGIN + "Math.random = () => 0; follow();")
    await evaluate(page, "await until(() => heard.length === 2)")


async def test_cuts_lose_nothing_and_repeat_nothing(
    page: Page, service: Service, prediction: Predict, proxied: Proxy
) -> None:
    random, seq = Random(3), 0
    for _ in range(40):
        for _ in range(random.randrange(6)):
            service.bus.publish(prediction("h1", seq))
            service.bus.publish(prediction("h2", seq))
            seq += 1
            await asyncio.sleep(random.uniform(0, 0.02))
        proxied.cut()
    service.bus.publish(prediction("h1", seq))
    service.bus.publish(prediction("h2", seq))
    of = "predicted().filter((message) => message.headset === {!r}).map(({{ seq }}) => seq)"
    for headset in ("h1", "h2"):
        seqs = of.format(headset)
        await evaluate(page, f"await until(() => {seqs}.at(-1) === {seq})")
        assert await evaluate(page, f"return {seqs}") == list(range(seq + 1))
    assert proxied.connections > 10
    assert await evaluate(page, "return [...stream.recovered]") == [["h1", True], ["h2", True]]


async def test_after_a_restart_it_tells_that_something_may_be_missing(
    page: Page,
    service: Service,
    prediction: Predict,
    proxied: Proxy,
) -> None:
    service.bus.publish(prediction(seq=40))
    await evaluate(page, "await until(() => predicted().length === 1)")
    service.bus = type(service.bus)()  # what a new process knows of before: nothing
    service.bus.publish(prediction(seq=0, epoch="e1"))
    proxied.cut()
    await evaluate(page, "await until(() => predicted().length === 2)")
    assert await evaluate(page, "return [...stream.recovered]") == [["h1", False]]
    assert await evaluate(page, "return predicted().map(({ epoch }) => epoch)") == ["e0", "e1"]


async def test_a_connection_that_died_unnoticed_is_replaced(
    page: Page,
    serving: Serving,
    service: Service,
    prediction: Predict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eeg_emotion.api.welcome.PING_SECONDS", 0.5)
    async with serving() as address, Proxy(address) as proxy:
        await through(page, proxy)
        before = proxy.connections
        service.bus.publish(prediction(seq=0))
        await evaluate(page, "await until(() => predicted().length === 1)")
        proxy.black_hole()
        for seq in (1, 2):
            service.bus.publish(prediction(seq=seq))
        await evaluate(page, "await until(() => predicted().length === 3)")
        assert proxy.connections > before
        assert await evaluate(page, "return [...stream.recovered]") == [["h1", True]]
        await evaluate(page, "stream.close()")


async def test_a_page_that_is_not_allowed_learns_what_may_be_wrong(
    page: Page, address: str
) -> None:
    """Nothing but the handshake's failure reaches a page of another origin."""
    async with Proxy(address) as proxy:
        await page.open(f"http://{proxy.address}/livez")
        await evaluate(page, BEGIN + "Math.random = () => 0;")
        states = await evaluate(
            page,
            f"""
            follow({{ host: "{address}" }});
            await until(() => whys.some((why) => why !== ""));
            stream.close();
            return states.filter((state) => state !== "connecting");
            """,
        )
        assert states == ["waiting", "waiting", "waiting", "closed"]
        reported = await evaluate(page, "return whys.find((why) => why !== '')")
        assert f"could not open ws://{address}/v1/stream" in reported
        assert f"--origin http://{proxy.address}" in reported


async def test_with_new_tokens_it_follows_across_the_end_of_each(
    blank: Page, service: Service, prediction: Predict, tmp_path: Path
) -> None:
    signer = Ed25519PrivateKey.generate()
    public = signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer").write_bytes(public)
    later = 0.0
    service.utc = lambda: time.time() + later
    verifier = TokenVerifier(tmp_path / "issuer", audience="eeg-emotion", utc=lambda: service.utc())
    service.access = Access(tokens=verifier)

    def issue(seconds: float) -> str:
        claims = {"sub": "visitor", "aud": "eeg-emotion", "scope": "read:*"}
        return jwt.encode(claims | {"exp": time.time() + seconds}, signer, algorithm="EdDSA")

    await evaluate(
        blank,
        f"""
        const tokens = {json.dumps([issue(500), issue(1000)])};
        follow({{ token: () => tokens.length > 1 ? tokens.shift() : tokens[0] }});
        await until(() => heard.length === 2);
        """,
    )
    service.bus.publish(prediction(seq=0))
    later = 500.0
    await evaluate(blank, "await until(() => states.filter((s) => s === 'connected').length === 2)")
    service.bus.publish(prediction(seq=1))
    await evaluate(blank, "await until(() => predicted().length === 2)")
    later = 1000.0
    states, code, why, seqs = await evaluate(
        blank,
        """
        await until(() => stream.state === "refused");
        return [states, stream.code, stream.why, predicted().map(({ seq }) => seq)];
        """,
    )
    assert seqs == [0, 1]
    # The first expires and is renewed; the second stays the same, and is refused.
    once = ["connecting", "connected", "waiting"]
    assert states == [*once, *once, "connecting", "refused"]
    assert code == 4500
    assert "has expired" in why


@pytest.mark.parametrize(("many", "haste"), [(20, 1), (300, 150)])
async def test_a_page_that_was_frozen_hears_little_of_the_past_before_the_present(
    blank: Page,
    service: Service,
    prediction: Predict,
    outboxes: list[Outbox],
    many: int,
    haste: int,
) -> None:
    """It stands still for two seconds, or for five minutes by the service's clock."""
    service.bus.history = History(lambda: haste * time.monotonic())
    service.bus.publish(prediction(seq=0))
    await evaluate(
        blank,
        """
        follow();
        await until(() => predicted().length === 1);
        """,
    )
    async with blank.frozen():
        for seq in range(1, many):
            service.bus.publish(prediction(seq=seq))
            await asyncio.sleep(2 / many)
        # It stood still indeed: it was sent no more than it may have unacknowledged.
        assert outboxes[0].sent == min(CREDITS, many + 1)
    seqs, recovered = await evaluate(
        blank,
        f"""
        await until(() => predicted().at(-1).seq === {many - 1});
        const seqs = predicted().map(({{ seq }}) => seq);
        return [seqs, [...stream.recovered]];
        """,
    )
    if many == 20:
        assert seqs == list(range(many))
    else:
        assert seqs == sorted(set(seqs))
        assert len(seqs) <= CREDITS + 1
        assert recovered == [["h1", False]]
