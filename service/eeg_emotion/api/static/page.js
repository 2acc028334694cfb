// Entry: joins the stream, what is known of the headsets, and what is shown.

import { EmotionStream } from "./client.js";
import { compareClocks, serviceSeconds, steadySeconds } from "./clock.js";
import { Curves } from "./curves.js";
import { judge } from "./estimate.js";
import { Headsets } from "./headsets.js";
import { forgetKey, key, KeyDialog } from "./key.js";
import * as panel from "./panel.js";
import { Plane } from "./plane.js";
import { darkScheme, readTheme } from "./theme.js";

// Ages, countdowns and silence are re-judged this often even when nothing arrives.
const TICK_SECONDS = 0.5;
// Close codes after which a key, or another one, would help.
const BAD_CREDENTIALS = 4500;
const NO_HELLO = 4502;

const headsets = new Headsets();
let chosenId = null;
let refusal = ""; // why there is no connection, in a user's words

// ---- what comes in

function onMessage(message) {
  switch (message.type) {
    case "welcome":
      headsets.welcome(message.headsets, steadySeconds());
      compareClocks().then(changed);
      break;
    case "status":
      headsets.obtain(message.headset.id).update(message.headset, steadySeconds());
      break;
    case "prediction":
      headsets
        .obtain(message.headset)
        .accept(message, steadySeconds(), stream.welcome.model.hop_seconds);
      break;
    default: // the others are the stream's; types of a later version are not ours to judge
  }
  choose();
  changed();
}

function onState(state, why) {
  refusal = why;
  if (state === "refused" && [BAD_CREDENTIALS, NO_HELLO].includes(stream.code)) {
    if (key() === null) refusal = "this service asks for a key";
    dialog.ask(key() === null ? "Whoever runs it can make one for you." : why);
    if (stream.code === BAD_CREDENTIALS) forgetKey();
  }
  changed();
}

/** Keep the choice; without one take the first live headset, else the first. */
function choose() {
  if (headsets.get(chosenId) !== null) return;
  const all = headsets.list;
  chosenId = (all.find(({ info }) => info.state === "live") ?? all[0])?.id ?? null;
}

// ---- what is shown

const plane = new Plane(document.getElementById("plane"));
const curves = new Curves(document.getElementById("curves"));
let theme = readTheme();
let asked = false;
let drawn = ""; // what the charts show, so that they are redrawn only when that differs

/** Show everything anew at the next frame, once, however many messages came before it. */
function changed() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    show();
  });
}

function show() {
  const headset = headsets.get(chosenId);
  const now = { serviceSeconds: serviceSeconds(), steadySeconds: steadySeconds() };
  const connected = stream.state === "connected";
  const model = stream.welcome?.model ?? null;
  const verdict = judge(headset, { connected, model, ...now });
  panel.showConnection({ state: stream.state, resumeAt: stream.resumeAt, why: refusal });
  panel.showSimulated(model, headset);
  panel.showPurpose(stream.welcome);
  panel.showModel(model);
  panel.showPicker(headsets.list, chosenId, connected);
  panel.showEstimate(verdict);
  panel.showHeadset(headset, verdict, connected);
  panel.showClockNote();

  if (window.Plotly === undefined) return;
  const { newest, current } = verdict;
  const second = Math.floor(verdict.ageSeconds ?? now.steadySeconds); // the time axis moves too
  const toDraw = [chosenId, newest?.epoch, newest?.seq, current, theme.card, second].join(" ");
  if (toDraw === drawn) return;
  drawn = toDraw;
  plane.draw(window.Plotly, headset, verdict, theme, now.serviceSeconds);
  curves.draw(window.Plotly, headset, theme, now.serviceSeconds);
}

// ---- what makes it run

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const address = `${scheme}//${location.host}/v1/stream`;
const stream = new EmotionStream(address, { token: key, onMessage, onState });
const dialog = new KeyDialog(() => stream.open());

document.getElementById("headset-picker").addEventListener("change", (event) => {
  chosenId = event.target.value;
  changed();
});
document.getElementById("connect-now").addEventListener("click", () => stream.open());
darkScheme.addEventListener("change", () => {
  theme = readTheme();
  changed();
});

// This module is ahead of Plotly in the document's order, so it never misses the event.
const plotlyScript = document.getElementById("plotly");
plotlyScript.addEventListener("load", () => {
  for (const chart of document.querySelectorAll(".chart")) chart.replaceChildren();
  changed();
});
plotlyScript.addEventListener("error", () => {
  for (const chart of document.querySelectorAll(".chart p")) {
    chart.textContent = "The chart could not be loaded; the numbers are complete without it.";
  }
});

setInterval(changed, TICK_SECONDS * 1000);
stream.open();
