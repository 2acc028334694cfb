// What the page knows about each headset: its status, its newest window and its recent history.
// No drawing here and no clock: times come in as arguments.

// The curves show this much, and nothing older is kept.
export const HISTORY_SECONDS = 300;
// A bound that holds even if stamps do not advance: the shortest hop, 0.25 s, fills 1200.
const MOST_POINTS = 1500;

export class Headset {
  constructor(id) {
    this.id = id;
    this.info = { id, name: id, state: "live", detail: "", simulated: false };
    this.infoAt = null; // steady seconds
    this.newest = null; // newest prediction, valid or not
    this.arrivedAt = null; // steady seconds
    this.lastValid = null;
    this.points = []; // {end, arousal, valence, joined}; null scores where not valid
  }

  update(info, steadySeconds) {
    this.info = info;
    this.infoAt = steadySeconds;
  }

  /** Take the next prediction in; the stream gives each once and in order. */
  accept(prediction, steadySeconds, hopSeconds) {
    const known = this.newest;
    const valid = isScored(prediction);
    this.points.push({
      end: prediction.window.end,
      arousal: valid ? prediction.arousal.probability : null,
      valence: valid ? prediction.valence.probability : null,
      joined: known !== null && follows(prediction, known, hopSeconds),
    });
    this.forget(prediction.window.end - HISTORY_SECONDS);
    this.newest = prediction;
    this.arrivedAt = steadySeconds;
    if (valid) this.lastValid = prediction;
  }

  forget(before) {
    const first = this.points.findIndex((point) => point.end >= before);
    this.points = this.points.slice(Math.max(first, this.points.length - MOST_POINTS, 0));
  }
}

/** A valid prediction with both numbers; anything else is not shown as an estimate. */
export function isScored({ valid, arousal, valence }) {
  return valid && Number.isFinite(arousal.probability) && Number.isFinite(valence.probability);
}

/** Whether no window is missing between the two, so that a line may join them. */
function follows(prediction, previous, hopSeconds) {
  return (
    prediction.epoch === previous.epoch &&
    prediction.seq === previous.seq + 1 &&
    prediction.window.end - previous.window.end < 2 * hopSeconds
  );
}

export class Headsets {
  constructor() {
    this.byId = new Map();
  }

  get list() {
    return [...this.byId.values()];
  }

  get(id) {
    return this.byId.get(id) ?? null;
  }

  obtain(id) {
    if (!this.byId.has(id)) this.byId.set(id, new Headset(id));
    return this.byId.get(id);
  }

  /** A service that restarted may not have found a headset again yet: its history stays. */
  welcome(infos, steadySeconds) {
    const listed = new Set(infos.map((info) => info.id));
    for (const headset of this.list) {
      if (listed.has(headset.id)) continue;
      if (headset.points.length === 0) this.byId.delete(headset.id);
      else {
        const detail = "The service does not list this headset at present.";
        headset.update({ ...headset.info, state: "lost", detail }, steadySeconds);
      }
    }
    for (const info of infos) this.obtain(info.id).update(info, steadySeconds);
  }
}
