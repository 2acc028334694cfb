// The valence–arousal plane: the present point with the trail behind it and what is unsure of it.
// After J. A. Russell, "A circumplex model of affect", J. Pers. Soc. Psychol. 39 (1980) 1161-1178.

import { onScale, RATING_NAME, ratingsOf } from "./ratings.js";
import { ageText, regionOf } from "./sentences.js";
import { baseAxis, baseLayout } from "./theme.js";

const TRAIL_SECONDS = 60;
const POINT_SIZE = 20;
const SPREAD_WINDOWS = 10;
const LEAST_WINDOWS = 5; // fewer say nothing about a spread
const TARGETS = ["arousal", "valence"];

export class Plane {
  constructor(element) {
    this.element = element;
    this.words = document.createElement("p");
    this.words.className = "small";
    element.after(this.words);
  }

  draw(Plotly, headset, verdict, theme, serviceSeconds) {
    const doubt = {
      bands: bandsOf(verdict.model),
      spread: verdict.current ? spreadOf(headset.points) : null,
      rating: verdict.silent ? null : (ratingsOf(headset).at(-1) ?? null),
    };
    const trail = trailOf(headset, verdict, serviceSeconds);
    const traces = [
      trailTrace(trail, verdict.current, theme),
      pointTrace(verdict, theme),
      ratingTrace(doubt.rating, theme),
    ];
    const config = { staticPlot: true, responsive: true };
    const width = this.element.clientWidth;
    Plotly.react(this.element, traces, layout(theme, width, verdict, doubt), config);
    const words = inWords(doubt);
    if (this.words.textContent !== words) this.words.textContent = words;
    this.element.setAttribute("aria-label", describe(verdict));
  }
}

/** For each target the probabilities between which the model chooses no side, or null. */
function bandsOf(model) {
  return Object.fromEntries(
    TARGETS.map((target) => {
      const [low, high] = model?.calibration_figures?.[target]?.unsure ?? [0.5, 0.5];
      return [target, low < high ? [low, high] : null];
    }),
  );
}

/** From the 10th to the 90th percentile of the last valid windows; none across a break. */
function spreadOf(points) {
  const start = points.findLastIndex((point) => !point.joined);
  const scored = points
    .slice(Math.max(0, start))
    .filter((point) => point.arousal !== null)
    .slice(-SPREAD_WINDOWS);
  if (scored.length < LEAST_WINDOWS) return null;
  const range = (target) => {
    const values = scored.map((point) => point[target]).sort((one, other) => one - other);
    return [quantile(values, 0.1), quantile(values, 0.9)];
  };
  return { count: scored.length, arousal: range("arousal"), valence: range("valence") };
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.ceil(place);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** The last minute's points, each with its freshness from 0 to 1; the present one is apart. */
function trailOf(headset, { current, lastValid }, serviceSeconds) {
  if (headset === null || lastValid === null) return [];
  const end = current ? lastValid.window.end : Infinity;
  return headset.points
    .filter((point) => point.arousal !== null && point.end < end)
    .map((point) => ({ ...point, freshness: 1 - (serviceSeconds - point.end) / TRAIL_SECONDS }))
    .filter(({ freshness }) => freshness > 0);
}

function trailTrace(trail, current, theme) {
  return {
    type: "scatter",
    mode: "markers",
    x: trail.map((point) => point.valence),
    y: trail.map((point) => point.arousal),
    marker: {
      color: current ? theme.point : theme.stale,
      size: trail.map(({ freshness }) => 4 + 6 * clamp(freshness)),
      opacity: trail.map(({ freshness }) => 0.08 + 0.5 * clamp(freshness)),
      line: { width: 0 },
    },
  };
}

/** There only while it is the present: filled, or hollow if a label is unsure. */
function pointTrace({ current, newest }, theme) {
  const unsure = current && isUnsure(newest);
  return {
    type: "scatter",
    mode: "markers",
    x: current ? [newest.valence.probability] : [],
    y: current ? [newest.arousal.probability] : [],
    marker: {
      symbol: unsure ? "circle-open" : "circle",
      color: unsure ? theme.unsure : theme.point,
      line: { color: unsure ? theme.unsure : theme.text, width: unsure ? 4 : 2 },
      size: POINT_SIZE,
      opacity: 1,
    },
  };
}

function ratingTrace(rating, theme) {
  return {
    type: "scatter",
    mode: "markers+text",
    x: rating === null ? [] : [rating.valence],
    y: rating === null ? [] : [rating.arousal],
    text: rating === null ? [] : ["rating"],
    textposition: `${rating?.arousal > 0.5 ? "bottom" : "top"} ${
      rating?.valence > 0.5 ? "left" : "right"
    }`,
    textfont: { color: theme.muted, size: 11 },
    marker: { symbol: "diamond-cross-open", color: theme.text, size: 14, line: { width: 2 } },
  };
}

function layout(theme, width, verdict, doubt) {
  const axis = (title) => ({
    ...baseAxis(theme),
    range: [-0.02, 1.02],
    tickvals: [0, 0.25, 0.5, 0.75, 1],
    showgrid: false,
    mirror: true,
    showline: true,
    title: { text: title, font: { size: 13, color: theme.text }, standoff: 8 },
  });
  const dots = { color: theme.muted, width: 1, dash: "dot" };
  const centre = { type: "line", layer: "below", line: dots };
  const size = width < 360 ? 11 : 13; // a phone's quadrant is narrow
  const note = (text, x, y) => ({
    text,
    x,
    y,
    showarrow: false,
    font: { size, color: theme.muted },
  });
  const corner = (arousal, valence, x, y) => note(regionOf(arousal, valence), x, y);
  return {
    ...baseLayout(theme),
    margin: { l: 54, r: 14, t: 10, b: 48 },
    xaxis: axis("probability of high valence"),
    yaxis: axis("probability of high arousal"),
    shapes: [
      ...bandShapes(doubt.bands, theme),
      { ...centre, x0: 0.5, x1: 0.5, y0: -0.02, y1: 1.02 },
      { ...centre, y0: 0.5, y1: 0.5, x0: -0.02, x1: 1.02 },
      ...spreadShapes(doubt.spread, theme),
    ],
    annotations: [
      // Amid each quadrant: most estimates lie near the corners.
      corner("high", "high", 0.81, 0.79),
      corner("high", "low", 0.19, 0.79),
      corner("low", "high", 0.81, 0.21),
      corner("low", "low", 0.19, 0.21),
      ...(doubt.bands.valence === null ? [] : [note("unsure", 0.5, 0.89)]),
      ...(doubt.bands.arousal === null ? [] : [{ ...note("unsure", 0.08, 0.5), yshift: 9 }]),
      ...(verdict.current ? [] : [{ ...note(absence(verdict), 0.5, 0.5), bgcolor: theme.card }]),
    ],
  };
}

function bandShapes({ arousal, valence }, theme) {
  const band = { type: "rect", layer: "below", line: { width: 0 }, fillcolor: theme.unsure };
  const whole = [-0.02, 1.02];
  const shape = ([x0, x1], [y0, y1]) => ({ ...band, x0, x1, y0, y1, opacity: 0.13 });
  return [
    ...(arousal === null ? [] : [shape(whole, arousal)]),
    ...(valence === null ? [] : [shape(valence, whole)]),
  ];
}

function spreadShapes(spread, theme) {
  if (spread === null) return [];
  const [[x0, x1], [y0, y1]] = [spread.valence, spread.arousal];
  return [{ type: "rect", x0, x1, y0, y1, line: { color: theme.point, width: 2, dash: "dash" } }];
}

const absence = ({ lastValid, ageSeconds }) =>
  lastValid === null
    ? "No estimate so far"
    : `No current estimate<br>Last valid: ${ageText(ageSeconds)}`;

function inWords({ bands, spread, rating }) {
  const range = ([low, high]) => `${low.toFixed(2)} to ${high.toFixed(2)}`;
  const unsure = TARGETS.filter((target) => bands[target] !== null).map(
    (target) => `${target} from ${range(bands[target])}`,
  );
  const parts = [];
  if (spread !== null) {
    const { count, arousal, valence } = spread;
    const where = `arousal ${range(arousal)}, valence ${range(valence)}`;
    parts.push(`Dashed box: where the middle 80 % of the last ${count} estimates lie: ${where}.`);
  }
  if (unsure.length > 0) parts.push(`Shaded: the model is unsure there, ${unsure.join(", ")}.`);
  if (rating !== null) {
    const where = `arousal ${onScale(rating.arousal)}, valence ${onScale(rating.valence)}`;
    parts.push(`Crossed diamond: ${RATING_NAME}, no estimate: ${where} of 1 to 9.`);
  }
  return parts.join(" ");
}

function describe({ current, newest, why }) {
  if (!current) return `Valence and arousal plane: no current estimate. ${why.join(" ")}`;
  const { arousal, valence } = newest;
  const region = regionOf(arousal.label, valence.label);
  return (
    `Valence and arousal plane: valence ${valence.probability.toFixed(2)}, ` +
    `arousal ${arousal.probability.toFixed(2)}, ${region}`
  );
}

const isUnsure = ({ arousal, valence }) => [arousal.label, valence.label].includes("unsure");

const clamp = (value) => Math.min(1, Math.max(0, value));
