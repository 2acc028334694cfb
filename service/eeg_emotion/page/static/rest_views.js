// What a person sees of a rest baseline before it is collected and afterwards.

import { isScored } from "./headsets.js";
import { button, capital, part, write } from "./dom.js";
import { fillRefused, refusedList } from "./rest_refused.js";

const USUAL_SECONDS = 60;
const TARGETS = ["arousal", "valence"];

export class View {
  constructor(title) {
    this.heading = part("h2", { tabindex: "-1" }, title);
    this.element = part("div", { class: "rest-view" }, this.heading);
  }

  add(...parts) {
    this.element.append(...parts);
  }
}

/** That there is nothing to do, or nothing to do yet. */
export class Note extends View {
  constructor() {
    super("Rest baseline");
    this.words = part("p");
    this.add(this.words);
  }

  show({ model, headset }) {
    write(this.words, noteText(model, headset));
  }
}

function noteText(model, headset) {
  if (model === null) return "Waiting for the service.";
  if (model.normaliser !== "rest-baseline") {
    return "This model needs no rest baseline: it compares everyone with its training people.";
  }
  if (headset === null) return "No headset has been found yet.";
  return "Asking where this headset stands.";
}

/** How it is done and why, what is stored, and the button that begins it. */
export class Offer extends View {
  constructor({ start, use, back }) {
    super("Rest baseline");
    const whole = { type: "number", min: 1, step: 1, required: "" };
    this.seconds = part("input", { ...whole, value: USUAL_SECONDS });
    this.pseudonym = part("input", { autocomplete: "off", spellcheck: "false", maxlength: 64 });
    const form = part(
      "form",
      { class: "rest-form" },
      part("label", {}, "Seconds of clean rest", this.seconds),
      part(
        "label",
        {},
        "Keep it under a pseudonym (optional)",
        this.pseudonym,
        part(
          "span",
          { class: "small" },
          "Under it the same person can use this baseline again another day. Small letters, " +
            "digits, - and _, such as p07; no real name. One that exists is replaced. Without " +
            "one the service makes one up.",
        ),
      ),
      part("button", { type: "submit", class: "rest-start" }, "Start"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      start(Number(this.seconds.value), this.pseudonym.value.trim() || null);
    });
    this.why = part("p");
    this.back = button("Keep the one in use", back);
    this.select = part("select");
    this.stored = part(
      "div",
      { class: "rest-stored" },
      part("label", {}, "Or one that is stored", this.select),
      button("Use it", () => this.select.value !== "" && use(this.select.value)),
      part("span", { class: "small" }, "For the same person with the headset worn alike."),
    );
    this.add(this.why, ...instructions(), form, this.stored, this.back);
    this.listed = null;
  }

  show({ headset, profiles, again, baseline }) {
    const name = headset.info.name;
    write(
      this.why,
      `This model compares a person with their own rest. Without it, ${name} gets no estimate.`,
    );
    this.back.hidden = !again || baseline?.state !== "applied";
    if (profiles === this.listed) return;
    this.listed = profiles;
    this.stored.hidden = profiles.length === 0;
    this.select.replaceChildren(part("option", { value: "" }, "choose"), ...profiles.map(option));
  }
}

function option({ name, clean_seconds: seconds, created, unfit }) {
  const made = part("option", { value: name });
  const day = new Date(created).toLocaleDateString("en-GB");
  made.textContent = `${name}: ${seconds} s, ${day}${unfit === null ? "" : "; not of this model"}`;
  made.disabled = unfit !== null;
  return made;
}

function instructions() {
  return [
    part(
      "ol",
      {},
      part("li", {}, "Sit comfortably, hands in your lap. See that the electrodes are good."),
      part("li", {}, "Press Start. Keep your eyes open and look at the cross."),
      part("li", {}, "Sit still and do not talk; let jaw and forehead be loose."),
      part(
        "li",
        {},
        "It ends by itself after the clean seconds set below, usually a minute. Seconds with " +
          "movement or poor contact do not count; after three times as long it gives up.",
      ),
    ),
    part(
      "p",
      { class: "small" },
      "Why: the signal at rest differs from person to person, and the model reads what departs " +
        "from it. Stored are the mean and the spread of the signal at rest; no raw EEG.",
    ),
  ];
}

/** Why nothing came of it. */
export class Failed extends View {
  constructor({ again, say }) {
    super("No baseline was made");
    this.say = say;
    this.why = part("p", { class: "rest-failed" });
    this.refused = refusedList();
    this.add(this.why, this.refused, button("Try again", again));
  }

  begin({ detail }, first) {
    if (!first) this.say(`${capital(detail)}.`);
  }

  show({ baseline }) {
    write(this.why, `${capital(baseline.detail)}.`);
    fillRefused(this.refused, baseline.refused);
  }
}

/** That there is one, and what it changed. */
export class Done extends View {
  constructor({ again, stop, say }) {
    super("Rest baseline in use");
    this.say = say;
    this.words = part("p");
    this.cells = TARGETS.map(() => [part("td"), part("td")]);
    const rows = TARGETS.map((target, place) =>
      part("tr", {}, part("th", { scope: "row" }, capital(target)), ...this.cells[place]),
    );
    const heads = ["Target", "Before", "With it"].map((text) => part("th", { scope: "col" }, text));
    this.table = part(
      "table",
      { class: "rest-compared" },
      part("caption", {}, "The last estimate before it and the first one with it"),
      part("thead", {}, part("tr", {}, ...heads)),
      part("tbody", {}, ...rows),
    );
    this.missing = part("p", { class: "small" });
    this.refused = refusedList();
    const choices = [button("Take a new one", again), button("Stop using it", stop)];
    this.add(this.words, this.table, this.missing, this.refused);
    this.add(part("p", { class: "choices" }, ...choices));
  }

  begin({ profile }, first) {
    if (!first) this.say(`The rest is over. The baseline of ${profile} is in use.`);
  }

  show({ baseline }) {
    const { detail, before, after, refused } = baseline;
    write(this.words, `${capital(detail)}.`);
    TARGETS.forEach((target, place) => {
      [before, after].forEach((prediction, side) => {
        write(this.cells[place][side], scoreText(prediction, target));
      });
    });
    write(this.missing, missingText(before, after));
    fillRefused(this.refused, refused);
  }
}

function scoreText(prediction, target) {
  if (prediction === null || !isScored(prediction)) return "–";
  const { probability, label } = prediction[target];
  return `${probability.toFixed(2)} ${label}`;
}

function missingText(before, after) {
  const said = [];
  if (before === null || !isScored(before)) said.push("Before it there was no estimate.");
  if (after === null) said.push("The first estimate with it is awaited.");
  else if (!isScored(after)) said.push("The first window with it could not be scored.");
  return said.join(" ");
}
