// What the wire's codes mean, in sentences for the person who looks at the page.
// The keys are the values of State, Reason, Check and Purpose in publish/messages.py, and Trouble in
// eeg/quality.py; a test compares them. A remedy is empty where there is nothing to do.

const STATES = {
  connecting: "Connecting to the headset.",
  live: "Live.",
  stale: "Stale: no samples for more than 2 seconds.",
  lost: "Lost: the headset is gone. Its signal is awaited.",
  quarantined: "Quarantined: the signal cannot be trusted and is not scored.",
};

const REASONS = {
  warming_up: "Warming up: there is not yet enough settled signal to score.",
  gap: "Samples are missing inside this window.",
  stale: "The headset has stopped sending samples.",
  channels_missing: "Too many of the channels the model needs are missing or unusable.",
  poor_contact: "Too many electrodes have poor contact with the skin.",
  unit_suspect: "The signal's size does not fit its unit; it may not be in microvolts.",
  out_of_range: "The signal is outside the range the model can judge, as in strong movement.",
  not_worn: "The headset does not seem to be worn.",
  no_baseline: "This model needs this person's rest baseline before it can score.",
};

const STATE_REMEDIES = {
  connecting: "Wait: it is connecting.",
  live: "",
  stale: "See that the headset is on, near enough, and still sends.",
  lost: "Switch the headset on again, or restart its program. It is found by itself.",
  quarantined: "See what the headset's card says of it, and correct it there.",
};

const REASON_REMEDIES = {
  warming_up: "Wait: it takes some seconds of signal.",
  gap: "Wait. If gaps recur, see the headset's radio or cable.",
  stale: "See that the headset is on, near enough, and still sends.",
  channels_missing: "See the electrodes that are named.",
  poor_contact: "Press the electrodes to the skin, add gel.",
  unit_suspect: "Have the headset's program state the right unit.",
  out_of_range: "Have the person sit still, jaw and forehead loose.",
  not_worn: "Put the headset on, and see the reference electrode.",
  no_baseline: "Collect this person's rest baseline, below.",
};

const CHECKS = {
  accepted: "Accepted.",
  interpolated: "Accepted; missing channels are filled in from their neighbours.",
  quarantined: "Refused: see the reason above.",
};

const PURPOSES = {
  research: "Run for research.",
  medical: "Run for medical reasons.",
  safety: "Run for safety.",
  demo: "Run as a demonstration.",
  workplace: "Run at a place of work.",
  education: "Run at a place of education.",
};

// A newer service may know codes this page does not: say the code rather than nothing.
export const stateSentence = (state) => STATES[state] ?? `State: ${state}.`;
export const checkSentence = (check) => CHECKS[check] ?? (check ? `Check: ${check}.` : "–");
export const purposeSentence = (purpose) => PURPOSES[purpose] ?? `Run for: ${purpose}.`;
export const troubleSentence = (trouble) => TROUBLES[trouble] ?? `has trouble: ${trouble}.`;
// A code this page does not know has no remedy here.
export const stateRemedy = (state) => STATE_REMEDIES[state] ?? "";
export const reasonRemedy = (reason) => REASON_REMEDIES[reason] ?? "";
export const reasonSentence = (reason) => REASONS[reason] ?? `Not scored: ${reason}.`;

const TROUBLES = {
  not_finite: "gives no numbers: see its amplifier and cable.",
  flat: "gives no signal: see that it is plugged in and touches the skin.",
  railed: "is cut off by the amplifier: re-seat it, and see the reference.",
  duplicate: "shows the same as another: wipe off gel that joins them, and see the wiring.",
  line_noise: "picks up the mains: improve its contact, move cables and chargers away.",
  muscle: "shows muscle: have the jaw, neck and forehead relaxed.",
  movement: "moves: fasten it and its cable.",
  drift: "drifts: let it settle, wipe off sweat, add gel.",
  amplitude: "is too large or too small: add gel, or re-seat it.",
};

// Russell's circumplex, by the halves of the plane.
const REGIONS = {
  "high high": "excited · happy",
  "high low": "tense · distressed",
  "low high": "calm · relaxed",
  "low low": "sad · bored",
};

/** Name the quadrant; where a label is "unsure" no side is chosen, and there is none. */
export function regionOf(arousalLabel, valenceLabel) {
  const quadrant = REGIONS[`${arousalLabel} ${valenceLabel}`];
  if (quadrant !== undefined) return quadrant;
  const [arousal, valence] = [isSide(arousalLabel), isSide(valenceLabel)];
  if (arousal) return `${arousalLabel} arousal, valence unsure`;
  return valence ? `arousal unsure, ${valenceLabel} valence` : "unsure";
}

const isSide = (label) => label === "high" || label === "low";

export function ageText(seconds) {
  if (seconds < 1) return "just now";
  if (seconds < 90) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
