// The valence–arousal plane (Russell's circumplex): the present point with the trail behind it.

import { ageText, regionOf } from "./sentences.js";
import { baseAxis, baseLayout } from "./theme.js";

const TRAIL_SECONDS = 30;
const POINT_SIZE = 20;

export class Plane {
  constructor(element) {
    this.element = element;
  }

  draw(Plotly, headset, verdict, theme, serviceSeconds) {
    const trail = trailOf(headset, verdict, serviceSeconds);
    const traces = [trailTrace(trail, verdict.current, theme), pointTrace(verdict, theme)];
    const config = { staticPlot: true, responsive: true };
    Plotly.react(this.element, traces, layout(theme, this.element.clientWidth), config);
    this.element.setAttribute("aria-label", describe(verdict));
  }
}

/** The last seconds' points, each with its freshness from 0 to 1; the present one is apart. */
function trailOf(headset, verdict, serviceSeconds) {
  if (headset === null || verdict.lastValid === null) return [];
  const end = verdict.lastValid.window.end;
  return headset.points
    .filter((point) => point.end < end && serviceSeconds - point.end < TRAIL_SECONDS)
    .map((point) => ({ ...point, freshness: 1 - (serviceSeconds - point.end) / TRAIL_SECONDS }));
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

/**
 * Filled while it is the present, neutral if a label is unsure; hollow, grey and dated afterwards;
 * gone once the trail is.
 */
function pointTrace(verdict, theme) {
  const { current, lastValid, ageSeconds } = verdict;
  const shown = lastValid !== null && (current || ageSeconds < TRAIL_SECONDS);
  const present = shown && isUnsure(lastValid) ? theme.unsure : theme.point;
  const look = current
    ? { color: present, line: { color: theme.text, width: 2 } }
    : { color: theme.card, line: { color: theme.stale, width: 2 } };
  return {
    type: "scatter",
    mode: "markers+text",
    x: shown ? [lastValid.valence.probability] : [],
    y: shown ? [lastValid.arousal.probability] : [],
    text: [current || !shown ? "" : ageText(ageSeconds)],
    textposition: shown && lastValid.arousal.probability > 0.85 ? "bottom center" : "top center",
    textfont: { color: theme.muted, size: 12 },
    marker: { ...look, size: POINT_SIZE, opacity: 1 },
  };
}

function layout(theme, width) {
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
  const corner = (arousal, valence, x, y) => ({
    text: regionOf(arousal, valence),
    x,
    y,
    showarrow: false,
    font: { size: width < 360 ? 11 : 13, color: theme.muted }, // a phone's quadrant is narrow
  });
  return {
    ...baseLayout(theme),
    margin: { l: 54, r: 14, t: 10, b: 48 },
    xaxis: axis("probability of high valence"),
    yaxis: axis("probability of high arousal"),
    shapes: [
      { ...centre, x0: 0.5, x1: 0.5, y0: -0.02, y1: 1.02 },
      { ...centre, y0: 0.5, y1: 0.5, x0: -0.02, x1: 1.02 },
    ],
    annotations: [
      corner("high", "high", 0.75, 0.965),
      corner("high", "low", 0.25, 0.965),
      corner("low", "high", 0.75, 0.035),
      corner("low", "low", 0.25, 0.035),
    ],
  };
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
