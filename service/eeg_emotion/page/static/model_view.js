// The model as a page: where it comes from, for whom it is tested, and what it is not.

import { CalibrationPlots } from "./calibration.js";
import { button, capital, part, write } from "./dom.js";

const SHORT = 12; // characters of a digest that distinguish models
const NOT_FOUND = 404;
const LIMITS = [
  "No diagnosis: this is no medical device.",
  "Not what a person feels: it estimates how people like those of its training rated themselves.",
  "No basis for decisions about a person: an estimate may be wrong though its signal is good.",
  "“Unsure” is no third emotion: it means that such estimates were right too seldom.",
];

export class ModelView {
  constructor(element, ask) {
    this.element = element;
    this.ask = ask;
    this.element.classList.add("model-view");
    this.model = null; // whose text stands there
    this.visible = false;
    this.plots = null;
    this.element.replaceChildren(part("p", {}, "Waiting for the service."));
  }

  /** Show a model card; `Plotly` is undefined until it is loaded. */
  show({ model, Plotly, theme, visible }) {
    const appeared = visible && !this.visible;
    this.visible = visible;
    if (!visible || model === null) return;
    const other = model.sha256 !== this.model?.sha256;
    if (other) this.describe(model);
    if (other || (appeared && !this.plots.complete)) this.fetch(model);
    this.plots.draw(Plotly, theme);
  }

  async fetch(model) {
    const { plots } = this;
    try {
      plots.take((await this.ask("GET", "/v1/model/calibration")).targets);
    } catch (error) {
      const known = error.status === NOT_FOUND;
      plots.refuse(known ? "This service gives no more than the above." : error.message);
    }
  }

  describe(model) {
    this.model = model;
    this.plots = new CalibrationPlots(model);
    const parts = [part("h2", {}, `Model ${model.name}, version ${model.version}`)];
    if (model.simulated) parts.push(banner());
    parts.push(
      facts([
        ["Trained on", model.trained_on],
        ["“High” means", model.label_rule],
        ["SHA-256", digest(model.sha256)],
      ]),
      part("h3", {}, "For whom its accuracy holds"),
      ...heldOut(model),
      part("h3", {}, "How far its probabilities can be believed"),
      ...calibration(model),
      this.plots.element,
      part("h3", {}, "What it reads"),
      facts(needs(model)),
      part("h3", {}, "What its numbers are not"),
      part("ul", {}, ...LIMITS.map((text) => part("li", {}, text))),
    );
    this.element.replaceChildren(...parts);
  }
}

const banner = () =>
  part(
    "p",
    { class: "banner", role: "note" },
    "Simulated: trained and tested on simulated people. " +
      "Its numbers say nothing about a real person.",
  );

function facts(entries) {
  const list = part("dl", { class: "facts" });
  for (const [name, what] of entries) list.append(part("dt", {}, name), part("dd", {}, what));
  return list;
}

const byTarget = (entries) => facts(entries.map(([target, words]) => [capital(target), words]));

function digest(sha256) {
  const code = part("code", { title: sha256 }, `${sha256.slice(0, SHORT)}…`);
  const said = part("span", { class: "small", role: "status" });
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(sha256);
      write(said, "Copied.");
    } catch {
      // Only secure pages may write to the clipboard; then a person copies it.
      write(code, sha256);
      getSelection().selectAllChildren(code);
      write(said, "Selected: copy it yourself.");
    }
  });
  copy.setAttribute("aria-label", "Copy the SHA-256");
  return part("span", { class: "model-digest" }, code, " ", copy, " ", said);
}

function heldOut({ held_out: results, simulated }) {
  const entries = Object.entries(results);
  if (entries.length === 0) {
    return [part("p", {}, "No held-out result is stated: nothing is known of its accuracy.")];
  }
  const whose = simulated ? "simulated people" : "people";
  return [
    byTarget(entries),
    part(
      "p",
      {},
      `These are results on ${whose} that training never saw, tested as stated there. They hold ` +
        `for ${whose} like those, with such a headset, in such situations; no one else was tested.`,
    ),
  ];
}

function calibration({ calibration: sentences }) {
  const entries = Object.entries(sentences);
  if (entries.length > 0) return [byTarget(entries)];
  return [part("p", {}, "Nothing is stated of how its probabilities were calibrated.")];
}

function needs(model) {
  const { window_seconds: window, hop_seconds: hop, settle_seconds: settle } = model;
  return [
    ["Window", `${window} s, a new one every ${hop} s; the first after ${settle + window} s of signal`],
    ["Rate", `${model.sfreq} Hz; other rates are resampled`],
    ["Channels", `${model.channels.length}: ${model.channels.join(", ")}`],
    ["Input", INPUTS[model.representation] ?? model.representation],
    ["Compared with", NORMALISERS[model.normaliser] ?? model.normaliser],
  ];
}

const NORMALISERS = {
  training: "the people of its training",
  "rest-baseline": "each person's own rest, which has to be collected first",
};

const INPUTS = {
  raw: "the filtered signal itself",
  bands: "each channel's power in frequency bands",
  tangent: "how the channels vary together in frequency bands",
};
