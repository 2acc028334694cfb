// All headsets at a glance: a tile each, what needs attention first.

import { urgency } from "./alarms.js";
import { write } from "./dom.js";
import { ageText } from "./sentences.js";

const SORT_SECONDS = 3; // tiles that hop about cannot be read
const TROUBLED = ["quarantined", "lost", "stale"];

export class Overview {
  constructor(choose) {
    this.choose = choose;
    this.section = document.getElementById("overview");
    this.list = document.getElementById("tiles");
    this.summary = document.getElementById("overview-summary");
    this.tiles = new Map(); // by the headset's id
    this.sortedAt = -Infinity;
  }

  /** Show a tile for each of `entries`, {headset, verdict}; one headset needs no overview. */
  show(entries, chosenId, connected, steadySeconds) {
    this.section.hidden = entries.length < 2;
    if (this.section.hidden) return;
    const known = new Set(entries.map(({ headset }) => headset.id));
    for (const [id, tile] of this.tiles) {
      if (known.has(id)) continue;
      tile.element.remove();
      this.tiles.delete(id);
    }
    let fresh = false;
    for (const entry of entries) {
      const { id } = entry.headset;
      if (!this.tiles.has(id)) {
        this.tiles.set(id, new Tile(() => this.choose(id)));
        this.list.append(this.tiles.get(id).element);
        fresh = true;
      }
      this.tiles.get(id).show(entry, id === chosenId, connected);
    }
    this.sort(entries, fresh, steadySeconds);
    write(this.summary, summarise(entries, connected));
  }

  /** Move tiles only now and then, and never beneath a pointer or away from the keyboard. */
  sort(entries, fresh, steadySeconds) {
    const inUse = this.list.matches(":hover, :focus-within");
    if (!fresh && (inUse || steadySeconds - this.sortedAt < SORT_SECONDS)) return;
    this.sortedAt = steadySeconds;
    const wanted = [...entries].sort(
      (one, other) => rank(one) - rank(other) || one.headset.info.name.localeCompare(
        other.headset.info.name, "en", { numeric: true },
      ),
    );
    wanted.forEach(({ headset: { id } }, place) => {
      const { element } = this.tiles.get(id);
      const there = this.list.children[place];
      if (there !== element) this.list.insertBefore(element, there);
    });
  }
}

/** How urgently it needs attention: lower is sooner. */
export function rank({ headset: { info }, verdict }) {
  const worst = Math.min(9, ...(info.alarms ?? []).map(urgency));
  if (worst < 2) return worst;
  if (TROUBLED.includes(info.state)) return 2;
  return verdict.current ? 4 : 3;
}

function summarise(entries, connected) {
  if (!connected) return `${entries.length} headsets, last known state.`;
  const count = (test) => entries.filter(test).length;
  const scored = count(({ verdict }) => verdict.current);
  const troubled = count(({ headset }) => TROUBLED.includes(headset.info.state));
  const alarms = entries.reduce((sum, { headset }) => sum + (headset.info.alarms ?? []).length, 0);
  const parts = [
    `${scored} with an estimate`,
    `${entries.length - scored - troubled} without`,
    `${troubled} stale, lost or quarantined`,
    `${alarms} ${alarms === 1 ? "alarm" : "alarms"}`,
  ];
  return `${entries.length} headsets: ${parts.join(", ")}.`;
}

class Tile {
  constructor(choose) {
    this.element = document.createElement("li");
    this.button = this.element.appendChild(document.createElement("button"));
    this.button.type = "button";
    this.button.className = "tile";
    this.button.addEventListener("click", choose);
    this.lines = {};
    for (const name of ["name", "alarms", "state", "scores", "since"]) {
      this.lines[name] = this.button.appendChild(document.createElement("span"));
      this.lines[name].className = `tile-${name}`;
    }
  }

  show({ headset: { info }, verdict }, chosen, connected) {
    this.button.setAttribute("aria-pressed", String(chosen));
    const alarms = info.alarms ?? [];
    const worst = [...alarms].sort((one, other) => urgency(one) - urgency(other))[0];
    this.button.dataset.attention = worst?.severity ?? (verdict.current ? "" : "none");
    write(this.lines.name, info.name);
    const more = alarms.length > 1 ? ` and ${alarms.length - 1} more` : "";
    write(this.lines.alarms, worst === undefined ? "" : `${worst.severity}: ${worst.rule}${more}`);
    const quality = verdict.silent ? "" : `, quality ${verdict.newest.quality.toFixed(2)}`;
    write(this.lines.state, connected ? `${info.state}${quality}` : `last known: ${info.state}`);
    // What is not of now is no number here, but the reason why there is none.
    write(this.lines.scores, verdict.current ? scores(verdict.newest) : verdict.why[0]);
    const none = verdict.lastValid === null;
    const ago = none ? "no valid estimate so far" : `last valid ${ageText(verdict.ageSeconds)}`;
    write(this.lines.since, verdict.current ? "" : ago);
  }
}

function scores({ arousal, valence }) {
  const one = (name, { probability, label }) => `${name} ${probability.toFixed(2)} ${label ?? ""}`;
  return `${one("arousal", arousal)} · ${one("valence", valence)}`;
}
