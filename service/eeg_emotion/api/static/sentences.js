// What the wire's codes mean, in sentences for the person who looks at the page.
// The keys are the values of State, Reason, Check and Purpose in publish/messages.py; a test
// compares them.

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
export const reasonSentence = (reason) => REASONS[reason] ?? `Not scored: ${reason}.`;

// Russell's circumplex, by the halves of the plane.
const REGIONS = {
  "high high": "excited · happy",
  "high low": "tense · distressed",
  "low high": "calm · relaxed",
  "low low": "sad · bored",
};

/** Name the quadrant, unless a label is "unsure": then no side is chosen, so there is none. */
export function regionOf(arousalLabel, valenceLabel) {
  return REGIONS[`${arousalLabel} ${valenceLabel}`] ?? "none: unsure";
}

// Keys are the values of a model's normaliser; only what asks something of the reader is said.
export const needSentence = (normaliser) =>
  normaliser === "rest-baseline" ? "It needs each person's rest baseline before it can score." : "";

export function ageText(seconds) {
  if (seconds < 1) return "just now";
  if (seconds < 90) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
