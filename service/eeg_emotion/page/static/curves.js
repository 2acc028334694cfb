// Arousal and valence over the last minutes, one above the other, with what happened meanwhile.

import {
  briefly,
  happeningsOf,
  inWords,
  plain,
  shortened,
  unscoredSpans,
  unscoredTrace,
} from "./annotations.js";
import { RATING_NAME, ratingsOf } from "./ratings.js";
import { baseAxis, baseLayout } from "./theme.js";

const CHOICES = [5, 10]; // minutes
const LABEL_SIZE = 12; // pixels
const HATCH_PIXELS = 40; // of the hatching are left beside a name in the strip
const LEFT = 54;
const SIDES = LEFT + 14; // what the plot leaves free

export class Curves {
  constructor(element) {
    this.element = element;
    this.minutes = CHOICES[0];
    this.redraw = () => {};
    element.before(this.choice());
    this.words = document.createElement("details");
    this.words.className = "small";
    this.words.append(document.createElement("summary"), document.createElement("ul"));
    this.words.firstChild.textContent = "The same in words";
    this.key = document.createElement("p");
    this.key.className = "small";
    this.key.textContent = `Dashed: ${RATING_NAME}, no estimate.`;
    element.after(this.key, this.words);
  }

  choice() {
    const label = document.createElement("label");
    label.className = "small";
    const select = document.createElement("select");
    for (const minutes of CHOICES) select.add(new Option(`${minutes} minutes`, minutes));
    select.addEventListener("change", () => {
      this.minutes = Number(select.value);
      this.redraw();
    });
    label.append("Show the last ", select);
    return label;
  }

  draw(Plotly, headset, theme, serviceSeconds) {
    this.redraw = () => this.draw(Plotly, headset, theme, serviceSeconds);
    const from = serviceSeconds - 60 * this.minutes;
    const points = (headset?.points ?? []).filter(({ end }) => end >= from);
    const spans = unscoredSpans(points);
    const happenings = happeningsOf(headset, serviceSeconds).filter(({ end }) => end >= from);
    const ratings = ratingsOf(headset);
    const traces = [
      curve("arousal", "y", points, theme),
      curve("valence", "y2", points, theme),
      unscoredTrace(spans, theme, localStamp),
      steps("arousal", "y", ratings, theme, serviceSeconds),
      steps("valence", "y2", ratings, theme, serviceSeconds),
    ];
    const seen = { from, to: serviceSeconds, width: this.element.clientWidth - SIDES };
    const config = { displayModeBar: false, responsive: true };
    Plotly.react(this.element, traces, layout(theme, seen, spans, happenings), config);
    this.element.setAttribute("aria-label", describe(points, this.minutes));
    this.key.hidden = ratings.length === 0;
    this.say(inWords(spans, happenings, clock));
  }

  say(sentences) {
    this.words.hidden = sentences.length === 0;
    const list = this.words.lastChild;
    const said = [...list.children].map((item) => item.textContent);
    if (said.join("\n") === sentences.join("\n")) return;
    list.replaceChildren(
      ...sentences.map((sentence) => {
        const item = document.createElement("li");
        item.textContent = sentence;
        return item;
      }),
    );
  }
}

function curve(name, yaxis, points, theme) {
  const broken = withBreaks(points);
  return {
    type: "scatter",
    mode: "lines+markers", // a lone valid window has no line: the marker shows it
    name,
    x: broken.map((point) => localStamp(point.end)),
    y: broken.map((point) => point[name]),
    yaxis,
    connectgaps: false,
    line: { color: theme[name], width: 2 },
    marker: { color: theme[name], size: 3 },
    hovertemplate: `${name} %{y:.2f}<extra></extra>`,
  };
}

/** A rating holds until the next trial's. */
function steps(name, yaxis, ratings, theme, serviceSeconds) {
  const ends = ratings.length === 0 ? [] : [{ ...ratings.at(-1), time: serviceSeconds }];
  const held = [...ratings, ...ends];
  return {
    type: "scatter",
    mode: "lines",
    name: `rating of ${name}`,
    x: held.map(({ time }) => localStamp(time)),
    y: held.map((rating) => rating[name]),
    yaxis,
    line: { color: theme.text, width: 1.5, dash: "dash", shape: "hv" },
    hoverinfo: "skip",
  };
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

const clock = (unixSeconds) => localStamp(unixSeconds).slice(11, 19);

function layout(theme, seen, spans, happenings) {
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
    margin: { l: LEFT, r: SIDES - LEFT, t: happenings.length === 0 ? 8 : 52, b: 24 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: theme.card, font: { color: theme.text } },
    xaxis: {
      ...baseAxis(theme),
      type: "date",
      anchor: "y3",
      range: [localStamp(seen.from), localStamp(seen.to)],
      tickformat: "%H:%M",
      dtick: seen.to - seen.from > 300 ? 120000 : 60000,
      hoverformat: "%H:%M:%S",
    },
    yaxis: probability("arousal", [0.6, 1]),
    yaxis2: probability("valence", [0.12, 0.52]),
    yaxis3: { ...baseAxis(theme), domain: [0, 0.07], range: [0, 1], visible: false },
    shapes: [half("y"), half("y2"), ...happenings.map((each) => shape(each, seen, theme))],
    annotations: [...labels(happenings, seen, theme), ...stripLabels(spans, seen, theme)],
  };
}

const DASHES = { marker: "dot", rated: "dot", alarm: "solid", rest: "dashdot", applied: "solid" };

/** A line for a moment, a shaded span for what lasted. */
function shape({ start, end, kind }, { from }, theme) {
  const line = { color: theme.text, width: kind === "applied" ? 2 : 1, dash: DASHES[kind] };
  const [x0, x1] = [Math.max(start, from), end].map(localStamp);
  const place = { xref: "x", yref: "paper", x0, x1, y0: 0.12, y1: 1, layer: "below" };
  // The steps of the ratings show theirs already.
  const opacity = kind === "rated" ? 0.4 : 1;
  if (start === end) return { ...place, type: "line", line, opacity };
  const fillcolor = kind === "alarm" ? theme.text : theme.point;
  return { ...place, type: "rect", line, fillcolor, opacity: 0.14 };
}

// Each kind has a row of its own above the curves; what lasted stands above what was a moment.
const ROWS = { alarm: 34, rest: 18, applied: 18, marker: 2 };

/** Names where there is room for them; all are in the words below, and ratings in the steps. */
function labels(happenings, seen, theme) {
  const taken = {}; // by row, from which pixel
  const newestFirst = happenings
    .filter(({ kind }) => kind in ROWS)
    .sort((one, other) => other.start - one.start);
  return newestFirst.flatMap(({ start, label, kind }) => {
    const text = shortened(label);
    const width = widthOf(text, theme);
    const left = ((Math.max(start, seen.from) - seen.from) / (seen.to - seen.from)) * seen.width;
    const shifted = Math.max(0, Math.min(left, seen.width - width));
    const row = ROWS[kind];
    if (shifted + width > (taken[row] ?? Infinity)) return [];
    taken[row] = shifted;
    return [{ ...note(plain(text), theme), xref: "paper", x: shifted / seen.width, y: 1, yshift: row }];
  });
}

/** In the strip, the reason of each run that is wide enough for it. */
function stripLabels(spans, seen, theme) {
  const scale = seen.width / (seen.to - seen.from);
  return spans
    .filter(({ start, end, reason }) => {
      const room = (end - Math.max(start, seen.from)) * scale;
      return room > widthOf(briefly(reason), theme) + HATCH_PIXELS;
    })
    .map(({ start, end, reason }) => ({
      ...note(plain(briefly(reason)), theme),
      xref: "x",
      x: localStamp((Math.max(start, seen.from) + end) / 2),
      xanchor: "center",
      y: 0.035,
      yanchor: "middle",
      bgcolor: theme.card,
    }));
}

const canvas = document.createElement("canvas").getContext("2d");

function widthOf(text, theme) {
  canvas.font = `${LABEL_SIZE}px ${theme.font}`;
  return canvas.measureText(text).width;
}

const note = (text, theme) => ({
  text,
  yref: "paper",
  xanchor: "left",
  yanchor: "bottom",
  showarrow: false,
  font: { size: LABEL_SIZE, color: theme.text },
});

function describe(points, minutes) {
  const start = `Arousal and valence over the last ${minutes === 5 ? "five" : "ten"} minutes`;
  const scored = points.filter((point) => point.arousal !== null);
  if (scored.length === 0) return `${start}: no estimates`;
  const mean = (name) => scored.reduce((sum, point) => sum + point[name], 0) / scored.length;
  return (
    `${start}: ${scored.length} estimates, ` +
    `mean arousal ${mean("arousal").toFixed(2)}, mean valence ${mean("valence").toFixed(2)}`
  );
}
