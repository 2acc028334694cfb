// Arousal and valence over the last five minutes, one above the other.

import { HISTORY_SECONDS } from "./headsets.js";
import { baseAxis, baseLayout } from "./theme.js";

export class Curves {
  constructor(element) {
    this.element = element;
  }

  draw(Plotly, headset, theme, serviceSeconds) {
    const points = headset === null ? [] : withBreaks(headset.points);
    const times = points.map((point) => localStamp(point.end));
    const curve = (name, yaxis) => ({
      type: "scatter",
      mode: "lines+markers", // a lone valid window has no line: the marker shows it
      name,
      x: times,
      y: points.map((point) => point[name]),
      yaxis,
      connectgaps: false,
      line: { color: theme[name], width: 2 },
      marker: { color: theme[name], size: 3 },
      hovertemplate: `${name} %{y:.2f}<extra></extra>`,
    });
    const traces = [curve("arousal", "y"), curve("valence", "y2")];
    const config = { displayModeBar: false, responsive: true };
    Plotly.react(this.element, traces, layout(theme, serviceSeconds), config);
    this.element.setAttribute("aria-label", describe(points));
  }
}

/** A point without scores wherever windows are missing, so that no line bridges the gap. */
export function withBreaks(points) {
  return points.flatMap((point, index) =>
    point.joined || index === 0
      ? [point]
      : [{ end: point.end, arousal: null, valence: null, joined: false }, point],
  );
}

/** Local time without a zone: Plotly draws date strings as they are and knows no time zones. */
export function localStamp(unixSeconds) {
  const date = new Date(unixSeconds * 1000);
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60000);
  return shifted.toISOString().slice(0, 23);
}

function layout(theme, serviceSeconds) {
  const probability = (title, domain) => ({
    ...baseAxis(theme),
    domain,
    range: [-0.03, 1.03],
    tickvals: [0, 0.5, 1],
    showgrid: false,
    title: { text: title, font: { size: 13 }, standoff: 6 },
  });
  const half = (yref) => ({
    type: "line",
    layer: "below",
    xref: "paper",
    x0: 0,
    x1: 1,
    yref,
    y0: 0.5,
    y1: 0.5,
    line: { color: theme.muted, width: 1, dash: "dot" },
  });
  return {
    ...baseLayout(theme),
    margin: { l: 54, r: 14, t: 8, b: 24 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: theme.card, font: { color: theme.text } },
    xaxis: {
      ...baseAxis(theme),
      type: "date",
      anchor: "y2",
      range: [localStamp(serviceSeconds - HISTORY_SECONDS), localStamp(serviceSeconds)],
      tickformat: "%H:%M",
      dtick: 60000,
      hoverformat: "%H:%M:%S",
    },
    yaxis: probability("arousal", [0.54, 1]),
    yaxis2: probability("valence", [0, 0.46]),
    shapes: [half("y"), half("y2")],
  };
}

function describe(points) {
  const scored = points.filter((point) => point.arousal !== null);
  if (scored.length === 0) return "Arousal and valence over the last five minutes: no estimates";
  const mean = (name) => scored.reduce((sum, point) => sum + point[name], 0) / scored.length;
  return (
    `Arousal and valence over the last five minutes: ${scored.length} estimates, ` +
    `mean arousal ${mean("arousal").toFixed(2)}, mean valence ${mean("valence").toFixed(2)}`
  );
}
