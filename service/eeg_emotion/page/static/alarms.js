// The currently raised alarms of all headsets, and the button that acknowledges one.

import { part, write } from "./dom.js";
import { ageText } from "./sentences.js";

const URGENCY = ["critical", "warning", "info"];

/** Every raised alarm with its headset, the most urgent first, the newest first among equals. */
export function raisedAlarms(headsets) {
  return headsets
    .flatMap(({ id, info }) => (info.alarms ?? []).map((alarm) => ({ ...alarm, id, name: info.name })))
    .sort((one, other) => urgency(one) - urgency(other) || other.since - one.since);
}

export function urgency({ severity }) {
  const place = URGENCY.indexOf(severity);
  return place === -1 ? URGENCY.length : place;
}

export class AlarmPanel {
  constructor(ask) {
    this.ask = ask;
    this.panel = document.getElementById("alarms");
    this.list = document.getElementById("alarm-list");
    this.news = document.getElementById("alarm-news");
    this.items = new Map(); // by the alarm's id
    this.announced = new Set();
  }

  /** Show them; items are kept as long as their alarm, so that a button keeps its focus. */
  show(alarms, connected, serviceSeconds) {
    this.panel.hidden = alarms.length === 0;
    this.panel.dataset.current = String(connected);
    for (const [id, item] of this.items) {
      if (alarms.some(({ alarm }) => alarm === id)) continue;
      item.element.remove();
      this.items.delete(id);
    }
    alarms.forEach((alarm, place) => {
      if (!this.items.has(alarm.alarm)) this.items.set(alarm.alarm, new Item(alarm, this.ask));
      const item = this.items.get(alarm.alarm);
      item.show(alarm, connected, serviceSeconds);
      const there = this.list.children[place] ?? null;
      if (there !== item.element) this.list.insertBefore(item.element, there);
    });
    this.announce(alarms);
    document.title = alarms.length === 0 ? "eeg-emotion" : `(${alarms.length}) eeg-emotion`;
  }

  /** Announce a critical alarm to screen readers once; the others are read on demand. */
  announce(alarms) {
    const critical = alarms.filter(({ severity }) => severity === "critical");
    const fresh = critical.filter(({ alarm }) => !this.announced.has(alarm));
    this.announced = new Set(critical.map(({ alarm }) => alarm));
    if (fresh.length === 0) return;
    this.news.textContent = fresh.map(({ name, text }) => `Alarm, ${name}: ${text}`).join(" ");
  }
}

class Item {
  constructor(alarm, ask) {
    this.element = document.createElement("li");
    this.element.className = "alarm";
    this.element.dataset.severity = alarm.severity;
    this.severity = add(this.element, "strong");
    this.text = add(this.element, "span");
    this.about = add(this.element, "span");
    this.about.className = "small";
    this.button = add(this.element, "button");
    this.button.type = "button";
    this.button.textContent = "Acknowledge";
    this.button.setAttribute("aria-label", `Acknowledge: ${alarm.name}, ${alarm.text}`);
    this.note = part("input", { maxlength: 500, "aria-label": `Note on: ${alarm.text}` });
    this.noting = part("details", { class: "small" }, part("summary", {}, "With a note"), this.note);
    this.element.append(this.noting);
    this.trouble = add(this.element, "span");
    this.trouble.setAttribute("role", "status");
    this.button.addEventListener("click", () => this.acknowledge(alarm.alarm, ask));
    this.note.addEventListener("keydown", ({ key, isComposing }) => {
      if (key === "Enter" && !isComposing) this.button.click(); // does nothing while one is sent
    });
  }

  async acknowledge(alarm, ask) {
    this.button.disabled = true;
    write(this.trouble, "");
    try {
      const note = this.note.value.trim();
      await ask("POST", `/v1/alarms/${alarm}/acknowledge`, note === "" ? {} : { note });
    } catch (error) {
      write(this.trouble, error.message);
    }
    this.button.disabled = false; // hidden by the next status, where it was acknowledged
  }

  show({ severity, text, name, rule, since, acknowledged_by: by }, connected, serviceSeconds) {
    write(this.severity, severity);
    write(this.text, text);
    const seen = by === null ? "not acknowledged" : `acknowledged by ${by}`;
    const outdated = connected ? "" : "; last known state";
    const age = ageText(Math.max(0, serviceSeconds - since));
    write(this.about, `${name}, rule ${rule}, since ${age}, ${seen}${outdated}`);
    this.button.hidden = this.noting.hidden = by !== null || !connected;
  }
}

function add(parent, tag) {
  return parent.appendChild(document.createElement(tag));
}
