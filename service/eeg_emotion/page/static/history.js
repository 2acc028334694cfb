// What was before this page was opened, or while its connection was lost: a headset's last minutes
// and its baseline from the service's memory, and its alarms from the event store. Nothing of the
// windows is the present.

import { HISTORY_SECONDS } from "./headsets.js";

const MOST_PAGES = 3; // ten minutes at the shortest hop are 2400 windows, a thousand a page

export class Past {
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
    this.asked = new WeakMap(); // by the headset, the welcome of the connection it was asked in
    this.asking = false;
    this.troubles = new WeakMap(); // by the headset, empty where everything came
  }

  /** Why something of the headset's past is not known, in a user's words; empty where all is. */
  troubleOf(headset) {
    return this.troubles.get(headset) ?? "";
  }

  /**
   * Ask once for each headset that is shown, and again after a connection that did not go on where
   * the one before it ended.
   */
  follow(headset, { welcome, recovered }, serviceSeconds) {
    if (headset === null || this.asking || this.asked.get(headset) === welcome) return;
    const wentOn = this.troubles.get(headset) === "" && recovered.get(headset.id) === true;
    this.asked.set(headset, welcome);
    if (!wentOn) this.fetch(headset, welcome.model, serviceSeconds - HISTORY_SECONDS);
  }

  async fetch(headset, model, since) {
    this.asking = true;
    const id = encodeURIComponent(headset.id);
    const isRecent = ({ time }) => time >= since;
    const parts = [
      async () => {
        const found = await this.pages(`/v1/headsets/${id}/history?limit=1000`, "predictions");
        headset.remember(found, model.hop_seconds);
      },
      async () => {
        const found = await this.pages(`/v1/headsets/${id}/events?limit=1000`, "events");
        headset.recall(found.filter((event) => event.kind === "marker" && isRecent(event)));
      },
      async () => {
        const first = `/v1/alarms?headset=${id}&limit=1000`;
        const found = await this.pages(first, "alarms", isRecent).catch(noneWithoutAlarms);
        // Of an alarm that ended lately its beginning too, however long ago it was.
        const recent = new Set(found.filter(isRecent).map(({ alarm }) => alarm));
        // Oldest first, as they came about.
        const changes = found.filter(({ alarm }) => recent.has(alarm)).reverse();
        for (const change of changes) headset.alarm(change);
      },
    ];
    if (model.normaliser === "rest-baseline") parts.push(() => this.baseline(headset, id));
    // Where one is refused, the others are known all the same.
    const outcomes = await Promise.allSettled(parts.map((part) => part()));
    const [first] = outcomes.filter(({ status }) => status === "rejected");
    const trouble =
      first === undefined ? "" : `Of the past not all is known: ${first.reason.message}`;
    this.troubles.set(headset, trouble);
    this.asking = false;
    this.changed();
  }

  /** Where the headset stands; a message that came meanwhile may be the newer one. */
  async baseline(headset, id) {
    const before = headset.baseline;
    const found = await this.ask("GET", `/v1/headsets/${id}/baseline`);
    if (headset.baseline === before) headset.baseline = found;
  }

  /** Give what is on these pages, up to the first whose last item is none that is wanted. */
  async pages(first, name, isWanted = () => true) {
    const found = [];
    let place = first;
    for (let page = 0; page < MOST_PAGES && place !== null; page += 1) {
      const answer = await this.ask("GET", place);
      found.push(...answer[name]);
      place = found.length > 0 && isWanted(found.at(-1)) ? answer.next : null;
    }
    return found;
  }
}

/** Without installed alarms there have been none; their list states why. */
function noneWithoutAlarms(error) {
  if (error.status !== 404) throw error;
  return [];
}
