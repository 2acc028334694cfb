// What a person sees while rest is collected.

import { button, part, write } from "./dom.js";
import { fillRefused, refusalWords, refusedList, refusedSince, total } from "./rest_refused.js";
import { View } from "./rest_views.js";

/** The cross to look at, what is left, and what keeps seconds from counting. */
export class Running extends View {
  constructor({ cancel, say }) {
    super("Look at the cross");
    this.say = say;
    this.countdown = part("span", { class: "rest-countdown" });
    this.now = part("p", { class: "rest-now" });
    this.stage = part(
      "div",
      { class: "rest-stage" },
      part("div", { class: "rest-cross", "aria-hidden": "true" }),
      part("p", {}, this.countdown, " s left"),
      this.now,
    );
    this.filled = part("span", { class: "rest-filled" });
    this.bar = part(
      "div",
      { class: "rest-bar", role: "progressbar", "aria-label": "Clean rest", "aria-valuemin": 0 },
      this.filled,
    );
    this.counts = part("p", { class: "rest-counts" });
    this.refused = refusedList();
    const fill = button("Fill the screen", () => this.stage.requestFullscreen());
    const choices = part("p", { class: "choices" }, button("Cancel", cancel), fill);
    this.add(this.stage, this.bar, this.counts, this.refused, choices);
  }

  /** Forget the collection before; read aloud are its quarters, and each kind of trouble once. */
  begin({ seconds, clean_seconds: clean }) {
    this.newest = null;
    this.troubles = new Set();
    this.quarter = Math.floor((4 * clean) / seconds);
    this.say(`Rest is collected: sit still and look at the cross. ${seconds - clean} s are left.`);
  }

  show({ baseline, verdict, connected }) {
    const { seconds, clean_seconds: clean, refused } = baseline;
    const left = seconds - clean;
    write(this.countdown, String(left));
    this.bar.setAttribute("aria-valuemax", seconds);
    this.bar.setAttribute("aria-valuenow", clean);
    this.bar.setAttribute("aria-valuetext", `${clean} of ${seconds} s`);
    this.filled.style.width = `${(100 * clean) / seconds}%`;
    const elapsed = clean + total(refused);
    write(this.counts, `${clean} of ${seconds} s clean, in ${elapsed} s so far.`);
    fillRefused(this.refused, refused);
    if (baseline !== this.newest) {
      this.reason = this.newest === null ? null : refusedSince(this.newest, baseline);
      this.newest = baseline;
      this.announce(left);
    }
    const { words, counts } = this.present(verdict, connected);
    this.now.dataset.counts = String(counts);
    write(this.now, words);
  }

  present(verdict, connected) {
    const not = (words) => ({ words, counts: false });
    if (!connected) return not("No connection: the service goes on counting.");
    if (verdict.silent) return not("Nothing comes from the headset. See that it is on and near.");
    if (this.reason === null) return { words: "Good. Stay like this.", counts: true };
    return not(`Not counted just now: ${refusalWords(this.reason)}`);
  }

  announce(left) {
    const { seconds, clean_seconds: clean } = this.newest;
    if (this.reason !== null && !this.troubles.has(this.reason)) {
      this.troubles.add(this.reason);
      this.say(`Not counted: ${refusalWords(this.reason)}`);
    }
    const quarter = Math.floor((4 * clean) / seconds);
    if (quarter > this.quarter && left > 0) this.say(`${left} s are left.`);
    this.quarter = quarter;
  }
}
