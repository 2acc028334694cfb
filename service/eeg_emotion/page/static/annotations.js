// What happened to a headset beside its estimates, as pictures and in words: windows without a
// score, markers, alarms and the rest baseline.

import { onScale, ratingsOf } from "./ratings.js";
import { reasonBrief, reasonSentence } from "./sentences.js";

const NOTHING_CAME = "nothing_came";
const LABEL_LENGTH = 24;
// Reasons are distinguished by these hatchings, not by colour.
const HATCHES = {
  warming_up: ".",
  no_baseline: "-",
  gap: "|",
  stale: "|",
  overloaded: "|",
  channels_missing: "x",
  poor_contact: "/",
  unit_suspect: "\\",
  out_of_range: "\\",
  not_worn: "+",
  [NOTHING_CAME]: "",
};

/** Runs of windows without a score: {start, end, reason}, Unix seconds, oldest first. */
export function unscoredSpans(points) {
  const step = stepOf(points);
  const spans = [];
  const extend = (start, end, reason) => {
    const last = spans.at(-1);
    if (last !== undefined && last.reason === reason && last.end === start) last.end = end;
    else spans.push({ start, end, reason });
  };
  points.forEach((point, index) => {
    const before = points[index - 1]?.end ?? point.end - step;
    const start = point.joined ? before : Math.max(before, point.end - step);
    if (start > before) extend(before, start, NOTHING_CAME);
    if (point.arousal === null) extend(start, point.end, point.reasons?.[0] ?? "");
  });
  return spans;
}

/** The time from one window to the next, from windows that are joined. */
function stepOf(points) {
  const steps = points.map(({ end, joined }, index) =>
    joined && index > 0 ? end - points[index - 1].end : Infinity,
  );
  const shortest = Math.min(...steps);
  return Number.isFinite(shortest) ? shortest : 1;
}

/** The strip below the curves: a hatched bar for each run of windows without a score. */
export function unscoredTrace(spans, theme, stamp) {
  const of = (value) => spans.map(value);
  return {
    type: "bar",
    name: "no score",
    x: of(({ start, end }) => stamp((start + end) / 2)),
    y: of(() => 1),
    width: of(({ start, end }) => 1000 * (end - start)),
    yaxis: "y3",
    textposition: "none",
    text: of(({ reason }) => sentenceOf(reason)),
    hovertemplate: "%{text}<extra></extra>",
    marker: {
      color: theme.card,
      line: { color: theme.muted, width: 1 },
      pattern: {
        shape: of(({ reason }) => HATCHES[reason] ?? "/"),
        fgcolor: theme.text,
        bgcolor: theme.card,
        size: 6,
        fillmode: "replace",
      },
    },
  };
}

/** Whom the rest baseline was collected from, when, and when it was applied; null if unknown. */
export function baselineSpan(baseline, serviceSeconds) {
  if (!["collecting", "applied"].includes(baseline?.state)) return null;
  const { before, after, clean_seconds: clean, refused, profile } = baseline;
  const applied = baseline.state === "applied";
  const end = applied ? before?.window.end ?? after?.window.end : serviceSeconds;
  if (end === undefined) return null;
  const seconds = Object.values(refused).reduce((sum, each) => sum + each, clean);
  return { start: end - seconds, end, applied, whose: profile ?? "nobody named" };
}

/** Each of all these as {start, end, label, kind}, Unix seconds; a moment ends as it begins. */
export function happeningsOf(headset, serviceSeconds) {
  const ratings = ratingsOf(headset);
  // The text of a rated one is its ratings as JSON, which is not meant for people.
  const ratingTimes = new Set(ratings.map(({ time }) => time));
  const markers = (headset?.markers ?? [])
    .filter(({ time }) => !ratingTimes.has(time))
    .map(({ time, text }) => ({ start: time, end: time, kind: "marker", label: text }));
  const rated = ratings.map(({ time, arousal, valence }) => ({
    start: time,
    end: time,
    kind: "rated",
    label: `rated trial, arousal ${onScale(arousal)}, valence ${onScale(valence)} of 1 to 9`,
  }));
  const alarms = (headset?.alarms ?? []).map(({ raised, cleared, severity, text }) => ({
    start: raised,
    end: cleared ?? serviceSeconds,
    kind: "alarm",
    label: `${severity}: ${text}`,
  }));
  const rest = baselineSpan(headset?.baseline, serviceSeconds);
  const baseline = rest === null ? [] : [{ ...rest, kind: "rest", label: `rest of ${rest.whose}` }];
  if (rest?.applied) {
    const label = `baseline of ${rest.whose} applied`;
    baseline.push({ start: rest.end, end: rest.end, kind: "applied", label });
  }
  return [...alarms, ...baseline, ...markers, ...rated];
}

export const shortened = (text) =>
  text.length > LABEL_LENGTH ? `${text.slice(0, LABEL_LENGTH - 1)}…` : text;

/** Kept from being read as markup, which Plotly would do. */
export const plain = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** All of it in sentences, oldest first, for those who do not see the picture. */
export function inWords(spans, happenings, clock) {
  const said = [
    ...spans.map((span) => ({ ...span, sentence: sentenceOf(span.reason) })),
    ...happenings.map((each) => ({ ...each, sentence: `${KINDS[each.kind]}${each.label}.` })),
  ];
  return said
    .sort((one, other) => one.start - other.start)
    .map(({ start, end, sentence }) => {
      // What is known only from its end began before all that is known.
      const from = Number.isFinite(start) ? clock(start) : "earlier";
      const until = start === end ? "" : ` to ${clock(end)}`;
      return `${from}${until}: ${sentence}`;
    });
}

const KINDS = { marker: "marker, ", alarm: "alarm, ", rest: "", applied: "", rated: "" };

/** Short enough for the strip itself. */
export function briefly(reason) {
  if (reason === NOTHING_CAME) return "nothing came";
  return reason === "" ? "no score" : reasonBrief(reason);
}

function sentenceOf(reason) {
  if (reason === NOTHING_CAME) return "No window came.";
  return reason === "" ? "No score." : reasonSentence(reason);
}
