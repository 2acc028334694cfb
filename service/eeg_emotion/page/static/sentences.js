// Sentences for the person who looks at the page. What the wire's codes mean comes from the service.

import { CODES } from "./codes.js";

// A newer service may send codes that this page does not know: show the code rather than nothing.
export const stateSentence = (state) => CODES.state[state]?.sentence ?? `State: ${state}.`;
export const reasonSentence = (reason) => CODES.reason[reason]?.sentence ?? `Not scored: ${reason}.`;
export const purposeSentence = (purpose) => CODES.purpose[purpose]?.sentence ?? `Run for: ${purpose}.`;
export const checkSentence = (check) =>
  CODES.check[check]?.sentence ?? (check ? `Check: ${check}.` : "–");

/** What is wrong with an electrode, to stand behind its name. */
export function troubleSentence(trouble) {
  const known = CODES.trouble[trouble];
  return known === undefined ? `has trouble: ${trouble}.` : `${known.sentence}: ${known.remedy}.`;
}

// A code that this page does not know has no remedy here.
export const stateRemedy = (state) => CODES.state[state]?.remedy ?? "";
export const reasonRemedy = (reason) => CODES.reason[reason]?.remedy ?? "";

/** A reason in a few words. */
export const reasonBrief = (reason) => CODES.reason[reason]?.brief ?? reason.replaceAll("_", " ");

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
