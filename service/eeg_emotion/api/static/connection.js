// The WebSocket to the service, kept up for as long as the page is open.
//
// A lost connection is tried again after a random time below a ceiling that doubles ("full
// jitter"), so that a thousand pages do not all return in the same instant. A service that stops
// says so (going_away) and names the time itself.

export const PROTOCOL = "emotion.v1.json";

const FIRST_CEILING_SECONDS = 0.5;
const LAST_CEILING_SECONDS = 20;
// A service that greets and then drops us at once must not be hammered: only a connection that
// held this long takes the ceiling back to the start.
const PROVEN_SECONDS = 10;
// The welcome is the first message; a proxy that accepts and then says nothing is not a service.
const WELCOME_SECONDS = 10;
// An absurd reconnect_after_ms must not silence the page for a day.
const LONGEST_WAIT_SECONDS = 120;

/** The wait before attempt number `attempt` (from 0), given `random` in [0, 1). */
export function backoffSeconds(attempt, random = Math.random()) {
  return random * Math.min(LAST_CEILING_SECONDS, FIRST_CEILING_SECONDS * 2 ** attempt);
}

/** Close codes 4500 to 4999 mean: do not come back, it would fail again. */
const isFinal = (code) => code >= 4500 && code <= 4999;

/**
 * Calls `onMessage(message)` for every message and `onState()` after every change of
 * `state`: "connecting", "connected", "waiting" (until `resumeAt`, Date.now() scale) or "refused".
 */
export class Connection {
  constructor(url, { onMessage, onState }) {
    this.url = url;
    this.onMessage = onMessage;
    this.onState = onState;
    this.state = "connecting";
    this.resumeAt = null;
    this.detail = "";
    this.attempt = 0;
    this.welcomedAt = null;
    this.awaitedUntil = null; // set by going_away
    this.timer = null;
    this.socket = null;
  }

  /** Connect at once, whatever was planned. */
  open() {
    clearTimeout(this.timer);
    this.drop();
    this.awaitedUntil = null;
    this.change("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.timer = setTimeout(() => this.lose(), WELCOME_SECONDS * 1000);

    socket.onmessage = ({ data }) => {
      const message = parse(data);
      if (message === null) return;
      if (message.type === "welcome") {
        if (message.protocol !== PROTOCOL) {
          this.refuse(`the service speaks ${message.protocol}, this page ${PROTOCOL}; reload it.`);
          return;
        }
        clearTimeout(this.timer);
        this.welcomedAt = Date.now();
        this.change("connected");
      } else if (message.type === "going_away") {
        this.leaveBy(message.reconnect_after_ms);
      }
      this.onMessage(message);
    };
    socket.onclose = ({ code, reason }) => {
      if (isFinal(code)) {
        this.refuse(reason || `the service refused the connection (code ${code}).`);
        return;
      }
      this.lose();
    };
  }

  /** Give the connection up and plan the next. */
  lose() {
    this.drop();
    clearTimeout(this.timer);
    const proven = this.welcomedAt !== null && Date.now() - this.welcomedAt > PROVEN_SECONDS * 1000;
    if (proven) this.attempt = 0;
    this.welcomedAt = null;
    const jittered = Date.now() + backoffSeconds(this.attempt) * 1000;
    this.attempt += 1;
    this.resumeAt = this.awaitedUntil ?? jittered;
    this.timer = setTimeout(() => this.open(), Math.max(0, this.resumeAt - Date.now()));
    this.change("waiting");
  }

  /** going_away: results keep coming until the service closes, at the latest until then. */
  leaveBy(milliseconds) {
    const wait = Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
    this.awaitedUntil = Date.now() + Math.min(wait, LONGEST_WAIT_SECONDS * 1000);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.awaitedUntil - Date.now());
  }

  refuse(detail) {
    clearTimeout(this.timer);
    this.drop();
    this.detail = detail;
    this.change("refused");
  }

  /** Let go of the socket without hearing from it again. */
  drop() {
    if (this.socket === null) return;
    this.socket.onmessage = null;
    this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  change(state) {
    this.state = state;
    if (state !== "waiting") this.resumeAt = null;
    if (state !== "refused") this.detail = "";
    this.onState();
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    console.warn("not JSON, ignored:", String(text).slice(0, 200));
    return null;
  }
}
