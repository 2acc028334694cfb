// The electrodes of the chosen headset: a map of the head, what to fix, band power by region.

import { write as writeTo } from "./dom.js";
import { troubleSentence } from "./sentences.js";

const SVG = "http://www.w3.org/2000/svg"; // a name, not an address: nothing is fetched from it
const GOOD = 0.75;
const SCALE = 140; // of the places, so that the ears' electrodes lie on the rim of the head
const BANDS = ["theta", "alpha", "beta", "gamma"];
// For the length of a bar alone: EEG's bands lie between.
const LEAST_DB = -10;
const MOST_DB = 30;

/** The channels of the headset that is shown, which the stream is asked for, and the map's places. */
export class Channels {
  constructor(ask, stream, changed) {
    this.ask = ask;
    this.stream = stream;
    this.changed = changed;
    this.montage = null;
    this.asking = false;
    this.chosenId = null;
    this.newest = null; // the newest `detail` message
  }

  accept(detail) {
    this.newest = detail;
    // With each, until it is there: the service may have answered no before.
    if (this.montage === null && !this.asking) this.fetch();
  }

  /** Return what is known of this headset's newest window; null where nothing is current. */
  of(headset, verdict, connected) {
    this.choose(headset?.id ?? null);
    if (!connected || headset === null || verdict.silent) return null;
    const { newest } = verdict;
    // A slow page may get a detail late. One whose window overlaps the newest still describes it.
    const fits =
      this.newest?.headset === headset.id &&
      this.newest.epoch === newest.epoch &&
      this.newest.window.end > newest.window.start;
    return fits ? this.newest : null;
  }

  choose(id) {
    if (id === this.chosenId) return;
    this.chosenId = id;
    this.stream.chooseDetail(id);
  }

  async fetch() {
    this.asking = true;
    try {
      this.montage = (await this.ask("GET", "/v1/montage")).electrodes;
    } catch {
      // Without places the map stays empty; the list beside it says what to fix.
    }
    this.asking = false;
    this.changed();
  }
}

/** Draws the map, the list and the table, where they differ from what is shown. */
export class ChannelPanel {
  constructor() {
    this.shown = null;
    this.places = null;
    this.map = document.getElementById("head-map");
    this.fix = document.getElementById("fix-list");
    this.bands = document.getElementById("band-rows");
  }

  show(quality, montage) {
    if (quality === this.shown && montage === this.places) return;
    this.shown = quality;
    this.places = montage;
    const bad = quality === null ? [] : troubled(quality);
    write("fix-title", fixTitle(quality, bad));
    this.fix.replaceChildren(...bad.map(fixItem));
    this.map.replaceChildren();
    this.map.setAttribute("aria-label", describe(quality, bad));
    this.bands.replaceChildren();
    const powers = quality?.regions ?? [];
    document.getElementById("bands-table").hidden = powers.length === 0;
    document.getElementById("bands-none").hidden = powers.length > 0;
    write("unplaced", unplacedText(quality, montage));
    if (quality === null || montage === null) return;
    const marks = [
      ...quality.channels.flatMap((each) => electrode(each, montage)),
      ...quality.interpolated.flatMap((label) => filled(label, quality, montage)),
    ];
    // Names come last: a mark must not cover another's.
    const isName = (part) => part.tagName === "text";
    this.map.append(...outline(), ...marks.filter((part) => !isName(part)), ...marks.filter(isName));
    this.bands.append(...quality.regions.map(bandRow));
  }
}

/** The channels with something to fix, the worst first. */
export function troubled({ channels }) {
  return channels
    .filter(({ score, trouble }) => trouble !== null && score < GOOD)
    .sort((one, other) => one.score - other.score);
}

function fixTitle(quality, bad) {
  if (quality === null) return "Nothing is known of the electrodes at present.";
  if (bad.length === 0) return `All ${quality.channels.length} electrodes are good.`;
  return `To fix: ${bad.length} of ${quality.channels.length} electrodes.`;
}

function fixItem({ label, trouble }) {
  const item = document.createElement("li");
  const name = item.appendChild(document.createElement("strong"));
  name.textContent = label;
  item.append(` ${troubleSentence(trouble)}`);
  return item;
}

function describe(quality, bad) {
  if (quality === null) return "Map of the electrodes: nothing is known at present";
  const names = bad.map(({ label }) => label).join(", ");
  return `Map of the electrodes: ${names === "" ? "all are good" : `to fix are ${names}`}`;
}

function outline() {
  return [
    draw("path", { d: "M -14 -123 L 0 -141 L 14 -123", class: "head" }),
    draw("circle", { cx: 0, cy: 0, r: 124, class: "head" }),
    // The ears.
    draw("path", { d: "M -123 -16 q -16 -4 -14 16 q 2 20 14 16", class: "head" }),
    draw("path", { d: "M 123 -16 q 16 -4 14 16 q -2 20 -14 16", class: "head" }),
  ];
}

const kindOf = ({ score, trouble }) => {
  if (trouble === null || score >= GOOD) return "good";
  return score > 0 ? "doubtful" : "bad";
};

/** A good one is a filled circle, a doubtful one hollow, a bad one a cross with its name. */
function electrode(channel, montage) {
  const place = montage[channel.label];
  if (place === undefined) return [];
  const kind = kindOf(channel);
  return mark(channel.label, place, kind, kind === "bad");
}

/** Those that the map cannot show are named. */
function unplacedText(quality, montage) {
  if (quality === null || montage === null) return "";
  const labels = quality.channels.map(({ label }) => label);
  const lost = labels.filter((label) => montage[label] === undefined);
  return lost.length === 0 ? "" : `Not on the map, since their place is not known: ${lost.join(", ")}.`;
}

/** One without a channel of its own was filled in from its neighbours. */
function filled(label, { channels }, montage) {
  const place = montage[label];
  if (place === undefined || channels.some((channel) => channel.label === label)) return [];
  return mark(label, place, "filled", false);
}

function mark(label, { x, y }, kind, crossed) {
  const [cx, cy] = [SCALE * x, -SCALE * y];
  const parts = [draw("circle", { cx, cy, r: crossed ? 7 : 4.5, class: `electrode ${kind}` })];
  if (crossed) {
    const d = `M ${cx - 4} ${cy - 4} l 8 8 m 0 -8 l -8 8`;
    parts.push(draw("path", { d, class: "electrode-cross" }));
  }
  const text = draw("text", { x: cx, y: cy + (crossed ? 18 : 14), class: `electrode-name ${kind}` });
  text.textContent = label;
  return [...parts, text];
}

function bandRow({ region, ...powers }) {
  const row = document.createElement("tr");
  const head = row.appendChild(document.createElement("th"));
  head.scope = "row";
  head.textContent = region;
  for (const band of BANDS) {
    const cell = row.appendChild(document.createElement("td"));
    const power = powers[band];
    const bar = cell.appendChild(document.createElement("span"));
    bar.className = "band-bar";
    const share = power === null ? 0 : (power - LEAST_DB) / (MOST_DB - LEAST_DB);
    bar.style.width = `${Math.round(100 * Math.min(1, Math.max(0, share)))}%`;
    cell.append(power === null ? "–" : whole(power));
  }
  return row;
}

/** With a minus sign, and without one before a zero. */
const whole = (number) => String(Math.round(number) + 0).replace("-", "−");

function draw(tag, attributes) {
  const found = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  return found;
}

const write = (id, text) => writeTo(document.getElementById(id), text);
