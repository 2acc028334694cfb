// The three answers at the top of the page: the state, whether to believe it, what to fix.

import { troubled } from "./channels.js";
import { capital } from "./dom.js";
import { reasonRemedy, stateRemedy, troubleSentence } from "./sentences.js";

const GOOD_QUALITY = 0.75;
const MOST_FIXES = 4;

/**
 * Whether the estimate may be believed: {kind, answer, why}, where `kind` is `yes`, `care` or `no`.
 *
 * A current estimate with a good signal is as good as its model, and no better.
 */
export function beliefIn({ current, newest, model }, headset) {
  if (!current) return { kind: "no", answer: "No", why: "" };
  if (model.simulated && !headset.info.simulated) {
    const why = "The model knows simulated people only, and this is no simulated signal.";
    return { kind: "no", answer: "No", why };
  }
  const doubts = doubtsOf(newest);
  const whose = model.simulated ? "; signal and model are simulated" : "";
  if (doubts.length > 0) {
    return { kind: "care", answer: "With care", why: `${capital(doubts.join("; "))}${whose}.` };
  }
  const tested = model.simulated
    ? "Good signal. Signal and model are simulated."
    : "Good signal: as far as this model was tested.";
  return { kind: "yes", answer: model.simulated ? "Yes, as a simulation" : "Yes", why: tested };
}

function doubtsOf({ arousal, valence, interpolated, quality }) {
  const unsure = Object.entries({ arousal, valence })
    .filter(([, { label }]) => label === "unsure")
    .map(([target]) => target);
  const doubts = [];
  if (unsure.length > 0) doubts.push(`the model is unsure of ${unsure.join(" and ")}`);
  if (quality < GOOD_QUALITY) doubts.push(`the signal's quality is ${quality.toFixed(2)}`);
  if (interpolated.length > 0) {
    const names = interpolated.join(", ");
    doubts.push(`${names} ${interpolated.length === 1 ? "is" : "are"} filled in from neighbours`);
  }
  return doubts;
}

/** What to do now, in sentences, the most pressing first; empty where nothing is to be done. */
export function remedies({ silent, newest }, headset, connected, quality) {
  if (!connected) return ["See that the service runs and is reached. This page connects by itself."];
  if (headset === null) return ["Switch a headset on. It appears here by itself."];
  const ofState = stateRemedy(headset.info.state);
  const ofReasons = silent ? [] : newest.reasons.map(reasonRemedy);
  const bad = quality === null ? [] : troubled(quality);
  const ofElectrodes = bad.map(({ label, trouble }) => `${label} ${troubleSentence(trouble)}`);
  const all = [...new Set([ofState, ...ofReasons, ...ofElectrodes])].filter((text) => text !== "");
  if (all.length <= MOST_FIXES) return all;
  return [...all.slice(0, MOST_FIXES - 1), `And ${all.length - MOST_FIXES + 1} more: see the electrodes.`];
}
