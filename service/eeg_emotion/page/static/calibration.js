// What a model's probabilities came to on held-out people: a plot and a table for each target.

import { capital, part, write } from "./dom.js";
import { baseAxis, baseLayout } from "./theme.js";

const LARGEST = 30; // pixels, the marker of the bin with most windows
const SMALLEST = 7;

export class CalibrationPlots {
  constructor({ simulated, targets }) {
    this.simulated = simulated;
    this.targets = targets;
    this.words = part("p", {}, "Asking for the results behind it.");
    this.grid = part("div", { class: "model-plots" });
    this.element = part("div", {}, this.words, this.grid);
    this.complete = false; // nothing is left to ask for
    this.plots = [];
    this.drawn = "";
    this.last = null;
  }

  take(found) {
    this.complete = true;
    const given = this.targets.filter((target) => (found[target]?.bins ?? []).length > 0);
    this.grid.replaceChildren();
    this.plots = given.map((target) => this.add(target, found[target]));
    this.drawn = "";
    const without = this.targets.filter((target) => !given.includes(target));
    write(this.words, wordsOf(given, without));
    if (this.last !== null) this.draw(...this.last);
  }

  refuse(why) {
    write(this.words, `Results by probability are not known. ${why}`);
  }

  add(target, { protocol, people, windows, bins }) {
    const described = { role: "img", "aria-label": summary(target, bins) };
    const chart = part("div", { class: "model-plot", ...described });
    const whose = this.simulated ? "simulated people" : "people";
    this.grid.append(
      part(
        "section",
        {},
        part("h4", {}, this.simulated ? `${capital(target)} (simulated)` : capital(target)),
        part("p", { class: "small" }, `${windows} windows of ${people} ${whose}: ${protocol}.`),
        chart,
        part("p", {}, `${summary(target, bins)}.`),
        part("details", {}, part("summary", {}, `${capital(target)}: table`), table(bins)),
      ),
    );
    return { target, bins, chart };
  }

  draw(Plotly, theme) {
    this.last = [Plotly, theme];
    const key = `${theme.card} ${theme.text}`;
    if (Plotly === undefined || this.plots.length === 0 || this.drawn === key) return;
    this.drawn = key;
    for (const { target, bins, chart } of this.plots) {
      const config = { displayModeBar: false, responsive: true };
      Plotly.react(chart, traces(target, bins, theme), layout(this.simulated, theme), config);
    }
  }
}

function wordsOf(given, without) {
  const said = [];
  if (given.length > 0) {
    said.push(
      "Where a point lies on the dotted line, as many windows were high as the probability says; " +
        "below it the model says “high” too readily, above it too seldom. " +
        "A larger point stands for more windows.",
    );
  }
  const names = without.join(", ");
  if (without.length > 0) said.push(`No results by probability are stated for ${names}.`);
  return said.join(" ");
}

/** How far predicted and observed lie apart, over all windows. */
function gap(bins) {
  const all = bins.reduce((sum, { windows }) => sum + windows, 0);
  const off = (bin) => (bin.windows * Math.abs(bin.predicted - bin.observed)) / all;
  return bins.reduce((sum, bin) => sum + off(bin), 0);
}

const summary = (target, bins) =>
  `${capital(target)}: predicted and observed are ${gap(bins).toFixed(2)} apart on average over all windows`;

function traces(target, bins, theme) {
  const colour = theme[target] ?? theme.text;
  const most = Math.max(...bins.map(({ windows }) => windows));
  const size = ({ windows }) => Math.max(SMALLEST, LARGEST * Math.sqrt(windows / most));
  return [
    {
      x: [0, 1],
      y: [0, 1],
      mode: "lines",
      line: { color: theme.muted, dash: "dot", width: 2 },
      hoverinfo: "skip",
    },
    {
      x: bins.map(({ predicted }) => predicted),
      y: bins.map(({ observed }) => observed),
      text: bins.map(({ windows }) => `${windows} windows`),
      mode: "lines+markers",
      line: { color: colour, width: 2 },
      marker: { color: colour, size: bins.map(size), line: { color: theme.card, width: 1 } },
      hovertemplate: "predicted %{x:.2f}<br>observed %{y:.2f}<br>%{text}<extra></extra>",
    },
  ];
}

function layout(simulated, theme) {
  // Points on the rim are shown whole.
  const axis = { ...baseAxis(theme), range: [-0.06, 1.06], tickvals: [0, 0.25, 0.5, 0.75, 1] };
  return {
    ...baseLayout(theme),
    margin: { l: 54, r: 10, t: 10, b: 48 },
    xaxis: { ...axis, title: { text: "probability that it is high" } },
    yaxis: { ...axis, title: { text: "windows that were high, share" } },
    annotations: simulated ? [watermark(theme)] : [],
  };
}

const watermark = (theme) => ({
  text: "SIMULATED",
  xref: "paper",
  yref: "paper",
  x: 0.97,
  y: 0.04,
  xanchor: "right",
  yanchor: "bottom",
  showarrow: false,
  font: { color: theme.muted, size: 18 },
});

function table(bins) {
  const heads = ["Probability", "Predicted", "Observed", "Windows"];
  const row = ({ low, high, predicted, observed, windows }) =>
    part(
      "tr",
      {},
      part("th", { scope: "row" }, `${low.toFixed(2)} to ${high.toFixed(2)}`),
      part("td", {}, predicted.toFixed(2)),
      part("td", {}, observed.toFixed(2)),
      part("td", {}, String(windows)),
    );
  return part(
    "table",
    { class: "model-bins" },
    part("caption", {}, "Mean probability of “high”, and the share of windows that was high"),
    part("thead", {}, part("tr", {}, ...heads.map((text) => part("th", { scope: "col" }, text)))),
    part("tbody", {}, ...bins.map(row)),
  );
}
