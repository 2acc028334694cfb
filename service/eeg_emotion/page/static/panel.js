// The page's text: connection, banner, numbers, headset and model. Reads state, writes the DOM.

import { clockOffset, steadySeconds } from "./clock.js";
import { part, write as writeTo } from "./dom.js";
import {
  ageText,
  checkSentence,
  purposeSentence,
  regionOf,
  stateSentence,
} from "./sentences.js";

const ANONYMOUS = "anonymous"; // the subject of everyone at an open service

const element = (id) => document.getElementById(id);

const write = (id, text) => writeTo(element(id), text);

export function showConnection({ state, resumeAt, why }) {
  element("connection").dataset.state = state;
  const words = { waiting: "reconnecting", refused: `not connected: ${why}` };
  write("connection-state", words[state] ?? state);
  // Apart from the live region, or every second would be read aloud.
  const left = resumeAt === null ? 0 : Math.max(0, Math.ceil((resumeAt - Date.now()) / 1000));
  write("connection-countdown", state === "waiting" ? `in ${left} s` : "");
  element("connect-now").hidden = state !== "waiting" && state !== "refused";
}

export function showSimulated(model, headset) {
  const claims = [];
  if (model?.simulated) claims.push("Trained on simulated people.");
  if (headset?.info.simulated) claims.push("Simulated signal.");
  const simulated = claims.length > 0;
  // With a real signal there is a real person, about whom such a model still knows nothing.
  if (headset?.info.simulated) claims.push("No real person's emotion is shown.");
  else if (simulated) claims.push("The numbers say nothing about a real person.");
  write("simulated", claims.join(" "));
  element("simulated").hidden = !simulated;
  for (const badge of document.querySelectorAll("[data-simulated-badge]")) {
    badge.hidden = !simulated;
  }
}

export function showPurpose(welcome) {
  if (welcome === null) return;
  const { purpose, justification, subject } = welcome;
  element("purpose").hidden = false;
  write("purpose-name", purposeSentence(purpose));
  write("purpose-justification", justification === null ? "" : `Stated reason: “${justification}”.`);
  write("purpose-subject", subject === ANONYMOUS ? "" : `You are known to it as ${subject}.`);
}

export function showModel(model) {
  if (model === null) return;
  element("model").hidden = false;
  write("model-name", model.name);
  write("model-version", model.version);
  write("model-trained-on", model.trained_on);
  write(
    "meaning",
    `Probability from 0 to 1 that it is high (${model.label_rule}), estimated over ` +
      `${model.window_seconds} s, a new one every ${model.hop_seconds} s.`,
  );
}

export function showPicker(headsets, chosenId, connected) {
  const picker = element("headset-picker");
  element("picker").hidden = headsets.length < 2;
  const known = (state) => (connected ? state : "unknown");
  const wanted = headsets.map(({ id, info }) => [id, `${info.name}: ${known(info.state)}`]);
  while (picker.options.length > wanted.length) picker.remove(picker.options.length - 1);
  wanted.forEach(([id, text], index) => {
    // Options are reused: replacing them would close a list that is open.
    const option = picker.options[index] ?? picker.appendChild(document.createElement("option"));
    if (option.value !== id) option.value = id;
    if (option.textContent !== text) option.textContent = text;
  });
  if (chosenId !== null && picker.value !== chosenId) picker.value = chosenId;
}

/** Whether to believe the estimate, and what to fix. */
export function showAnswers({ kind, answer, why }, fixes) {
  element("belief").dataset.belief = kind;
  write("belief", answer);
  write("belief-why", why);
  const [first = "Nothing.", ...others] = fixes;
  write("fix-now", first);
  element("fix-now").dataset.calm = String(fixes.length === 0);
  const list = element("fix-first");
  if ([...list.children].map((item) => item.textContent).join("\n") === others.join("\n")) return;
  list.replaceChildren(...others.map((text) => part("li", {}, text)));
}

export function showEstimate({ current, silent, why, newest, lastValid, ageSeconds }) {
  element("estimate").dataset.current = String(current);
  element("reason").dataset.current = String(current);
  write("reason", current ? "Current estimate." : `No current estimate. ${why.join(" ")}`);
  const ago = lastValid === null ? null : ageText(ageSeconds);
  write("age", ago === null ? "No valid estimate so far." : `Last valid estimate: ${ago}`);
  for (const target of ["arousal", "valence"]) {
    const score = current ? newest[target] : null;
    write(`${target}-value`, score === null ? "–" : score.probability.toFixed(2));
    write(`${target}-label`, score === null ? "" : score.label ?? "");
    element(`${target}-score`).dataset.label = score?.label ?? "";
    const last = current || lastValid === null ? null : lastValid[target].probability;
    write(`${target}-last`, last === null ? "" : `was ${last.toFixed(2)}, ${ago}`);
  }
  const region = current ? regionOf(newest.arousal.label, newest.valence.label) : "no estimate";
  write("quadrant", region);
  element("quadrant").dataset.current = String(current);
  const latency = silent ? null : newest.latency_ms;
  write("latency", latency === null ? "–" : `${Math.round(latency.total)} ms`);
  write("latency-parts", latency === null ? "" : latencyParts(latency));
  showLedger(latency);
  write("seq", newest === null ? "–" : String(newest.seq));
}

/** The words beside it say the same. */
function showLedger(latency) {
  element("ledger").hidden = latency === null;
  if (latency === null) return;
  const { arrival, path, inference } = latency;
  element("ledger-arrival").style.flexGrow = Math.max(0, arrival);
  element("ledger-path").style.flexGrow = path;
  element("ledger-inference").style.flexGrow = inference;
}

function latencyParts({ resampler, arrival, path, inference, filter }) {
  const whole = (milliseconds) => Math.round(milliseconds);
  const share = whole(resampler) === 0 ? "" : ` (the resampler's share ${whole(resampler)})`;
  return (
    `arrival ${whole(arrival)}${share}, path ${whole(path)}, inference ${whole(inference)}; ` +
    `the signal path shows what was ${whole(filter)} ms earlier`
  );
}

export function showHeadset(headset, verdict, connected) {
  if (headset === null) return;
  const { info, infoAt, newest } = headset;
  write("headset-name", info.name);
  // A state comes from the service; without a connection only the last one is known.
  element("headset-state").dataset.state = connected ? info.state : "unknown";
  const unknown = `Unknown without a connection. Last known: ${info.state}.`;
  write("headset-state", connected ? stateSentence(info.state) : unknown);
  write("headset-detail", connected ? info.detail : "");

  // Quality belongs to the newest window; once that is old it says nothing about the signal now.
  const fresh = newest !== null && !verdict.silent;
  const quality = fresh ? newest.quality : null;
  write("quality-value", quality === null ? "–" : quality.toFixed(2));
  element("quality-bar").style.width = `${100 * (quality ?? 0)}%`;
  const meter = element("quality");
  meter.setAttribute("aria-valuenow", String(quality ?? 0));
  meter.setAttribute("aria-valuetext", quality === null ? "unknown" : quality.toFixed(2));

  // A headset that was never announced has no list and no counts: that is not "none" and not 0.
  const names = (list) => (list === undefined ? "–" : list.join(", ") || "none");
  const { samples_missing: missing, samples_received: received, gaps } = info;
  write("check", checkSentence(info.check));
  write("changes", info.check ? info.changes.join("; ") || "nothing" : "–");
  write("rate", info.check ? rateText(info) : "–");
  write("unit", info.unit ?? "–");
  write("channels-used", info.channels_used ? String(info.channels_used.length) : "–");
  write("interpolated", names(fresh ? newest.interpolated : info.interpolated));
  write("dropped", names(info.dropped));
  const lost = missing === undefined ? "–" : `${count(missing)} of ${count(received + missing)}`;
  write("samples-missing", lost);
  write("gaps", gaps === undefined ? "–" : count(gaps));
  // The counts travel with status messages only, so they need their time.
  write("counted-at", infoAt === null ? "" : `Counted ${ageText(steadySeconds() - infoAt)}.`);
}

function rateText({ sfreq, sfreq_measured: measured }) {
  return measured === null ? `${sfreq} Hz` : `${sfreq} Hz, measured ${measured.toFixed(1)} Hz`;
}

/** What of the past is not known. */
export function showPast(trouble) {
  element("past-trouble").hidden = trouble === "";
  write("past-trouble", trouble);
}

export function showClockNote() {
  const offset = clockOffset();
  element("clock-note").hidden = offset === 0;
  const side = offset > 0 ? "ahead of" : "behind";
  write(
    "clock-note",
    `This device's clock is ${Math.abs(Math.round(offset))} s ${side} the service's; ` +
      "times and ages here follow the service.",
  );
}

const count = (number) => number.toLocaleString("en");
