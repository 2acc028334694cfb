/**
 * The predictions of an eeg-emotion service in a web page: one WebSocket, which reconnects until it
 * is closed. docs/reference/PROTOCOL.md is the contract. No dependency; nothing is drawn or stored here.
 *
 *     import { EmotionStream } from "./client.js";
 *
 *     const stream = new EmotionStream("wss://<host>/v1/stream", {
 *       headsets: ["ward-7"],
 *       onMessage: (message) => {
 *         if (message.type === "prediction" && message.valid) show(message.arousal.probability);
 *       },
 *       onState: (state, why) => console.log(state, why),
 *     });
 *     stream.open();
 *
 * After a loss it reconnects and resumes after the last prediction it has. What was missed then
 * comes first and late: `window.end` states how old a prediction is.
 */

import { openingMessages } from "./handshake.js";
import { ASLEEP_SECONDS, Waking } from "./wake_detector.js";

export const PROTOCOL = "emotion.v1.json";

// "Full jitter": any wait below a ceiling that doubles, so that a thousand pages that lost one
// service do not all return in the same instant.
const FIRST_CEILING_SECONDS = 0.5;
const LAST_CEILING_SECONDS = 20;
// A service that greets and then drops us at once must not be hammered: only a connection that
// held this long takes the ceiling back to the start.
const PROVEN_SECONDS = 10;
// The welcome is the first message; a proxy that accepts and then says nothing is not a service.
const WELCOME_SECONDS = 10;
// An absurd reconnect_after_ms must not silence the page for a day.
const LONGEST_WAIT_SECONDS = 120;
// Silence after which the rest is acknowledged: longer than any hop, or each prediction would have
// an acknowledgement of its own; the service waits for 30 s.
const QUIET_SECONDS = 5;
// For the answer to the ping on waking: longer than a slow network's round trip, and shorter than
// a person who came back to look would wait.
const WAKING_ANSWER_SECONDS = 3;
// A loss so soon after waking came of the sleep: Chromium, for one, breaks the connections of pages
// that it froze. Pages wake one by one, so such a loss needs no spreading.
const WAKING_SECONDS = WAKING_ANSWER_SECONDS + 1;
// Somewhat below what the service allows, acknowledgements apart: 20 at once, and 5 a second.
const SAID_AT_ONCE = 16;
const SAID_PER_SECOND = 4;

// A browser does not tell a page why a connection could not be opened: after so many failures in a
// row it is no temporary loss, and `why` states what may be wrong.
const UNOPENED_EXPLAINED = 3;

const CREDENTIALS_EXPIRED = 4003;
const SLOW = 4008;
const TOO_BIG = 1009;

/** Close codes 4500 to 4999 mean: do not come back, it would fail again; so does our own fault. */
const isFinal = (code) => code === TOO_BIG || (code >= 4500 && code <= 4999);

const steadySeconds = () => performance.now() / 1000;

/** @typedef {"closed"|"connecting"|"connected"|"waiting"|"refused"} State */

/** One subscription to a service, over one connection after the other. */
export class EmotionStream {
  /** @type {State} `waiting` until `resumeAt`; `refused` until someone calls `open` again. */
  state = "closed";
  /** @type {number|null} When the next attempt is made, on Date.now()'s scale. */
  resumeAt = null;
  /** @type {number|null} The close code of a refusal: 4500 where a valid key is wanted. */
  code = null;
  /** Why it was refused, or why it is `waiting` for the third time and more, in words. */
  why = "";
  /** What the service last said of itself: purpose, subject, model and headsets. */
  welcome = null;
  /**
   * For each headset that was followed before the last reconnection: true where exactly the missed
   * predictions came, false where some may be missing.
   * @type {Map<string, boolean>}
   */
  recovered = new Map();

  #options;
  #detail = []; // ids whose channels' quality this connection was asked for
  #positions = new Map(); // of each headset its last prediction's {epoch, seq}
  #socket = null;
  #timer = null; // to the welcome, or to the next attempt
  #waking = new Waking(
    () => this.#tick(),
    (sleptSeconds) => this.#wake(sleptSeconds),
  );
  #attempt = 0;
  #unopened = 0; // connections in a row that did not open
  #welcomedAt = null;
  #returnAt = null; // set by going_away, on Date.now()'s scale
  #received = 0;
  #acknowledged = 0;
  #receivedAt = 0;
  #answerBy = null; // when an unanswered ping means that the connection is dead
  #wakingUntil = 0;
  #unsaid = [];
  #allowance = 0;
  #allowedAt = 0;

  /**
   * @param {string} url the stream's address, such as `wss://<host>/v1/stream`
   * @param {object} [options]
   * @param {string[]} [options.headsets] ids, known or yet to come; `*` for all
   * @param {string[]} [options.detail] ids whose channels' quality is wanted too
   * @param {() => string|null} [options.token] returns the key or token, called for each connection;
   *   when a token expires another connection is made, so it has to return one that is still valid
   * @param {(message: object) => void} [options.onMessage] gets every message of the service, in
   *   order and each prediction once; when it returns, the message counts as dealt with
   * @param {(state: State, why: string) => void} [options.onState] called after every change of
   *   `state`, with `why`
   */
  constructor(
    url,
    {
      headsets = ["*"],
      detail = [],
      token = () => null,
      onMessage = () => {},
      onState = () => {},
    } = {},
  ) {
    this.url = url;
    this.#options = { headsets, detail, token, onMessage, onState };
  }

  /** Connect at once, whatever was planned. */
  open() {
    this.#drop();
    this.#waking.start();
    this.#returnAt = null;
    this.#welcomedAt = null;
    this.#received = this.#acknowledged = 0;
    this.#answerBy = null;
    this.#unsaid = [];
    this.#allowance = SAID_AT_ONCE;
    this.#allowedAt = steadySeconds();

    this.#unopened += 1;
    const socket = new WebSocket(this.url, PROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.#introduce();
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#ended(code, reason);
    this.#timer = setTimeout(() => this.#lose(), WELCOME_SECONDS * 1000);
    this.#change("connecting");
  }

  /**
   * Have `detail` sent of one headset from now on, in place of those asked for before. One that is
   * followed by its own name and not by `*` keeps its `detail` until the next connection.
   *
   * @param {string|null} headset its id; null for none
   */
  chooseDetail(headset) {
    this.#options.detail = headset === null ? [] : [headset];
    if (this.state === "connected") this.#askForDetail();
  }

  /** Connect no more. */
  close() {
    this.#drop();
    this.#waking.stop();
    this.#change("closed");
  }

  // ---- one connection

  #introduce() {
    this.#unopened = 0;
    const { token, headsets, detail } = this.#options;
    this.recovered = new Map([...this.#positions.keys()].map((headset) => [headset, false]));
    const positions = this.#positions;
    this.#detail = detail;
    this.#unsaid = openingMessages({ token: token(), headsets, detail, positions });
    this.#speak();
  }

  #take(text) {
    const socket = this.#socket;
    this.#waking.notice();
    if (socket !== this.#socket) return; // it was old news of a connection that is given up
    this.#receivedAt = steadySeconds();
    this.#answerBy = null;
    const message = parse(text);
    if (this.#welcomedAt === null) {
      this.#greet(message);
      return;
    }
    try {
      this.#deal(message);
    } finally {
      // What was dealt with is what counts: a page that stands still acknowledges nothing, and
      // the service keeps the newest for it instead of a backlog.
      if (socket === this.#socket) {
        this.#received += 1;
        if (this.#received - this.#acknowledged >= this.welcome.ack_every) this.#acknowledge();
      }
    }
  }

  #greet(message) {
    if (message?.type !== "welcome" || message.protocol !== PROTOCOL) {
      const found = message?.protocol ?? "something else";
      this.#refuse(null, `the service speaks ${found}, this page ${PROTOCOL}; reload it.`);
      return;
    }
    clearTimeout(this.#timer);
    this.#welcomedAt = steadySeconds();
    this.welcome = message;
    this.#change("connected");
    this.#askForDetail(); // another may have been chosen since the hello
    this.#options.onMessage(message);
  }

  #askForDetail() {
    const { headsets, detail } = this.#options;
    // Of a headset that `*` follows, an unsubscription by name ends the detail alone.
    const isFollowed = (name) => headsets.includes("*") && !headsets.includes(name);
    const dropped = this.#detail.filter((name) => !detail.includes(name) && isFollowed(name));
    const added = detail.filter((name) => !this.#detail.includes(name));
    this.#detail = detail;
    this.#unsaid.push(
      ...dropped.map((name) => JSON.stringify({ type: "unsubscribe", headsets: [name] })),
      ...added.map((name) => JSON.stringify({ type: "subscribe", headsets: [], detail: [name] })),
    );
    this.#speak();
  }

  #deal(message) {
    switch (message?.type) {
      case undefined: // not JSON; reported on the console
      case "pong":
        return;
      case "going_away":
        this.#leaveBy(message.reconnect_after_ms);
        break;
      case "subscribed":
        if (this.recovered.has(message.headset)) {
          this.recovered.set(message.headset, message.recovered === true);
        }
        break;
      case "prediction": {
        const { headset, epoch, seq } = message;
        const last = this.#positions.get(headset);
        if (last?.epoch === epoch && seq <= last.seq) return;
        this.#positions.set(headset, { epoch, seq });
        break;
      }
      default: // types of a later version are the reader's to know
    }
    this.#options.onMessage(message);
  }

  #acknowledge() {
    this.#acknowledged = this.#received;
    this.#socket.send(JSON.stringify({ type: "ack", received: this.#received }));
  }

  #ping(answerSeconds) {
    if (this.#answerBy !== null && this.#answerBy > steadySeconds()) return; // one at a time
    this.#answerBy = steadySeconds() + answerSeconds;
    this.#unsaid.push('{"type":"ping"}');
    this.#speak();
  }

  /** Say what is to be said, as far as the service's cap allows now. */
  #speak() {
    const now = steadySeconds();
    const gained = (now - this.#allowedAt) * SAID_PER_SECOND;
    this.#allowance = Math.min(SAID_AT_ONCE, this.#allowance + gained);
    this.#allowedAt = now;
    while (this.#unsaid.length > 0 && this.#allowance >= 1) {
      this.#allowance -= 1;
      this.#socket.send(this.#unsaid.shift());
    }
  }

  // ---- its end, and the next

  #ended(code, reason) {
    if (isFinal(code)) {
      this.#refuse(code, reason || `the service refused the connection (code ${code}).`);
    } else if (code === SLOW) {
      this.open(); // the service is well, and it was this page that stood still
    } else {
      if (code === CREDENTIALS_EXPIRED) this.#attempt = 0; // the service is well here too
      this.#lose();
    }
  }

  /** Give the connection up and plan the next. */
  #lose() {
    if (steadySeconds() < this.#wakingUntil && this.#returnAt === null) {
      this.#wakingUntil = 0; // once
      this.open();
      return;
    }
    const held = this.#welcomedAt === null ? 0 : steadySeconds() - this.#welcomedAt;
    if (held > PROVEN_SECONDS) this.#attempt = 0;
    this.#drop();
    this.resumeAt = this.#returnAt ?? Date.now() + backoffSeconds(this.#attempt) * 1000;
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.open(), Math.max(0, this.resumeAt - Date.now()));
    this.#change("waiting", { why: this.#unopened < UNOPENED_EXPLAINED ? "" : this.#unreachable() });
  }

  /** going_away: results keep coming until the service closes, at the latest until then. */
  #leaveBy(milliseconds) {
    clearTimeout(this.#timer); // of an earlier one: the newest counts
    const wait = Math.min(milliseconds, LONGEST_WAIT_SECONDS * 1000);
    this.#returnAt = Date.now() + wait;
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #refuse(code, why) {
    this.#drop();
    this.#change("refused", { code, why });
  }

  #unreachable() {
    return (
      `could not open ${this.url}: is the service running, and does it allow this page's origin ` +
      `(--origin ${location.origin})?`
    );
  }

  /** Let go of the connection without hearing from it again. */
  #drop() {
    clearTimeout(this.#timer);
    if (this.#socket === null) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #change(state, { code = null, why = "" } = {}) {
    this.state = state;
    this.code = code;
    this.why = why;
    if (state !== "waiting") this.resumeAt = null;
    this.#options.onState(state, why);
  }

  // ---- silence and waking

  #tick() {
    if (this.state !== "connected") return;
    const now = steadySeconds();
    if (this.#answerBy !== null && now > this.#answerBy) {
      this.#lose();
      return;
    }
    const silent = now - this.#receivedAt;
    const heartbeat = this.welcome.heartbeat_seconds;
    if (silent > QUIET_SECONDS && this.#received > this.#acknowledged) this.#acknowledge();
    if (silent > heartbeat && this.#answerBy === null) this.#ping(heartbeat);
    this.#speak();
  }

  /** Be sure of the connection at once, since someone looks again. */
  #wake(sleptSeconds) {
    this.#wakingUntil = steadySeconds() + WAKING_SECONDS;
    if (this.state === "waiting" && Date.now() >= (this.#returnAt ?? 0)) {
      this.open();
    } else if (this.state === "connecting" && sleptSeconds > ASLEEP_SECONDS) {
      this.open();
    } else if (this.state === "connected") {
      // After so long the service or a network between may have given us up, and what is still
      // on its way is old: a new connection brings the present sooner than a ping the certainty.
      if (sleptSeconds > this.welcome.heartbeat_seconds) this.open();
      else this.#ping(WAKING_ANSWER_SECONDS);
    }
  }
}

/** The wait before attempt number `attempt` (from 0). */
function backoffSeconds(attempt) {
  return Math.random() * Math.min(LAST_CEILING_SECONDS, FIRST_CEILING_SECONDS * 2 ** attempt);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    console.warn("not JSON, ignored:", String(text).slice(0, 200));
    return null;
  }
}
