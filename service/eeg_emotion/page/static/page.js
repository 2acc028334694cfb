// Entry: joins the stream, what is known of the headsets, and what is shown.

import { address } from "./address.js";
import { AlarmHistory } from "./alarm_history.js";
import { AlarmPanel, raisedAlarms } from "./alarms.js";
import { beliefIn, remedies } from "./advice.js";
import { ask } from "./api.js";
import { ChannelPanel, Channels } from "./channels.js";
import { EmotionStream } from "./client.js";
import { compareClocks, serviceSeconds, steadySeconds } from "./clock.js";
import { Curves } from "./curves.js";
import { judge } from "./estimate.js";
import { Headsets } from "./headsets.js";
import { forgetKey, key, KeyDialog } from "./key.js";
import { ModelView } from "./model_view.js";
import { Overview } from "./overview.js";
import * as panel from "./panel.js";
import { Past } from "./history.js";
import { Plane } from "./plane.js";
import { RestGuide } from "./rest.js";
import { darkScheme, readTheme } from "./theme.js";

// Ages, countdowns and silence are re-evaluated this often even when nothing arrives.
const TICK_SECONDS = 0.5;
// Close codes after which a key, or another one, would help.
const BAD_CREDENTIALS = 4500;
const NO_HELLO = 4502;

const headsets = new Headsets();
let chosenId = null;
let alarmNews = 0; // rises whenever there may be changes of alarms that are not listed yet
let refusal = ""; // why there is no connection, in a user's words

// ---- what comes in

function onMessage(message) {
  switch (message.type) {
    case "welcome":
      headsets.welcome(message.headsets, steadySeconds());
      alarmNews += 1;
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
    case "marker":
      headsets.obtain(message.headset).mark(message);
      break;
    case "alarm":
      headsets.obtain(message.headset).alarm(message);
      alarmNews += 1;
      break;
    case "detail":
      channels.accept(message);
      break;
    case "baseline":
      headsets.obtain(message.headset).baseline = message;
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
    dialog.ask(key() === null ? "The person who runs the service can make one for you." : why);
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
const alarms = new AlarmPanel(ask);
const channelPanel = new ChannelPanel();
const past = new Past(ask, changed);
const restGuide = new RestGuide(document.getElementById("rest-guide"), ask);
const modelView = new ModelView(document.getElementById("model-view"), ask);
const modelMore = document.getElementById("model-more");
modelMore.addEventListener("toggle", () => changed());
const alarmHistory = new AlarmHistory(document.getElementById("alarm-history"), ask);
const alarmsWere = document.getElementById("alarms-were");
alarmsWere.addEventListener("toggle", () => changed());
const overview = new Overview((id) => {
  chosenId = id;
  changed();
});
let theme = readTheme();
let asked = false;
let drawn = ""; // what the charts show, so that they are redrawn only when that differs

/** Redraw everything at the next frame, once, however many messages come before it. */
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
  alarms.show(raisedAlarms(headsets.list), connected, now.serviceSeconds);
  alarmHistory.show({
    visible: alarmsWere.open,
    headsets: headsets.list,
    connected,
    news: alarmNews,
  });
  const entries = headsets.list.map((each) => ({
    headset: each,
    verdict: each === headset ? verdict : judge(each, { connected, model, ...now }),
  }));
  overview.show(entries, chosenId, connected, now.steadySeconds);
  panel.showPicker(headsets.list, chosenId, connected);
  panel.showEstimate(verdict);
  panel.showHeadset(headset, verdict, connected);
  if (connected) past.follow(headset, stream, now.serviceSeconds);
  panel.showPast(past.troubleOf(headset));
  const quality = channels.of(headset, verdict, connected);
  channelPanel.show(quality, channels.montage);
  panel.showAnswers(beliefIn(verdict, headset), remedies(verdict, headset, connected, quality));
  const baseline = headset?.baseline ?? null;
  restGuide.show({ headset, baseline, verdict, model, connected });
  modelView.show({ model, Plotly: window.Plotly, theme, visible: modelMore.open });
  panel.showClockNote();

  if (window.Plotly === undefined) return;
  const { newest, current } = verdict;
  const second = Math.floor(verdict.ageSeconds ?? now.steadySeconds); // the time axis moves too
  const known = [headset?.points.length, headset?.markers.length]; // the past may have come
  const toDraw = [chosenId, newest?.epoch, newest?.seq, current, theme.card, second, ...known].join(" ");
  if (toDraw === drawn) return;
  drawn = toDraw;
  plane.draw(window.Plotly, headset, verdict, theme, now.serviceSeconds);
  // In a frame of its own: both in one would hold up the page for longer.
  requestAnimationFrame(() => curves.draw(window.Plotly, headset, theme, now.serviceSeconds));
}

// ---- what makes it run

const streamAddress = address("/v1/stream");
streamAddress.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const stream = new EmotionStream(streamAddress.href, { token: key, onMessage, onState });
const channels = new Channels(ask, stream, changed);
const dialog = new KeyDialog(() => stream.open());

document.getElementById("headset-picker").addEventListener("change", (event) => {
  chosenId = event.target.value;
  changed();
});
document.getElementById("model-link").addEventListener("click", () => {
  modelMore.open = true;
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
