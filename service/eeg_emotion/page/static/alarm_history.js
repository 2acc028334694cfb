// Past changes of alarms: raised, acknowledged, cleared, of all headsets, newest first.

import { button, capital, part, write } from "./dom.js";

const PAGE = 50;
// A page that stays open for weeks must not grow for as long.
const MOST_CHANGES = 2000;

export class AlarmHistory {
  constructor(element, ask) {
    this.ask = ask;
    this.words = part("p", { role: "status" }, "Asking for them.");
    this.list = part("ol", { class: "alarms-were" });
    this.older = button("Older", () => this.more());
    this.older.hidden = true;
    element.replaceChildren(this.words, this.list, this.older);
    this.known = new Map(); // by the change's id, its element
    this.next = null; // where older ones are
    this.asked = null; // what `show` was called with when they were asked for last
    this.asking = false;
  }

  /** Show them; `news` differs where there may be newer ones. */
  show({ visible, headsets, connected, news }) {
    this.names = new Map(headsets.map(({ id, info }) => [id, info.name]));
    if (!visible) this.asked = null; // fetched again when it is opened again
    if (!visible || !connected || this.asking || news === this.asked) return;
    this.asked = news;
    this.asking = true;
    this.newest().finally(() => {
      this.asking = false;
    });
  }

  /** Fetch the newest changes, and put those not yet listed on top. */
  async newest() {
    const found = await this.fetch(`/v1/alarms?limit=${PAGE}`);
    if (found === null) return;
    const isKnown = ({ id }) => this.known.has(id);
    if (this.known.size > MOST_CHANGES || !found.alarms.some(isKnown)) {
      // It is the first page, or more came than a page holds: start over, so that none is missing.
      this.known.clear();
      this.list.replaceChildren();
      this.next = found.next;
    }
    const fresh = found.alarms.filter((change) => !isKnown(change));
    this.list.prepend(...fresh.map((change) => this.item(change)));
    this.describe();
  }

  async more() {
    const place = this.next;
    const found = await this.fetch(place);
    // After a second press, or once the list has started over, this is no longer the next page.
    if (found === null || place !== this.next) return;
    this.next = found.next;
    const fresh = found.alarms.filter(({ id }) => !this.known.has(id));
    this.list.append(...fresh.map((change) => this.item(change)));
    this.describe();
  }

  async fetch(place) {
    try {
      return await this.ask("GET", place);
    } catch (error) {
      const missing = error.status === 404; // alarms are not installed
      write(this.words, missing ? capital(error.message) : `They are not known now: ${error.message}`);
      return null;
    }
  }

  describe() {
    const count = this.known.size;
    const more = this.next === null ? "" : ", and older ones";
    write(this.words, count === 0 ? "There have been none." : `${count} changes${more}.`);
    this.older.hidden = this.next === null;
  }

  item(change) {
    const { id, headset, severity, text, rule, time } = change;
    const made = part(
      "li",
      { class: "alarm", "data-severity": severity, title: id },
      part("time", { datetime: new Date(time * 1000).toISOString() }, when(time)),
      part("strong", {}, `${severity}, ${outcome(change)}`),
      part("span", {}, text),
      part("span", { class: "small" }, `${this.names.get(headset) ?? headset}, rule ${rule}`),
    );
    this.known.set(id, made);
    return made;
  }
}

function outcome({ change, by, note }) {
  const whose = by === null ? "" : ` by ${by}`;
  return `${capital(change)}${whose}${note === null ? "" : `: “${note}”`}`;
}

/** The time of day, with the date where it is another day. */
function when(unixSeconds) {
  const date = new Date(unixSeconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString("en-GB") : date.toLocaleString("en-GB");
}
