// What the page knows about each headset: its status, its newest window and its recent history.
// No drawing here and no clock: times come in as arguments.

// The curves show at most this much, and nothing older is kept.
export const HISTORY_SECONDS = 600;
// A bound that holds even if stamps do not advance: the shortest hop, 0.25 s, fills 2400.
const MOST_POINTS = 3000;
const MOST_HAPPENINGS = 500;

export class Headset {
  constructor(id) {
    this.id = id;
    this.info = { id, name: id, state: "live", detail: "", simulated: false };
    this.infoAt = null; // steady seconds
    this.newest = null; // newest prediction, valid or not
    this.arrivedAt = null; // steady seconds
    this.lastValid = null;
    this.points = []; // {epoch, seq, end, arousal, valence, reasons, joined}; see pointOf
    this.markers = []; // {time, text, ratings}, newest last
    this.alarms = []; // {alarm, rule, severity, text, raised, cleared}, newest last
    this.baseline = null; // newest message, or the service's answer where none came
  }

  update(info, steadySeconds) {
    this.info = info;
    this.infoAt = steadySeconds;
    // Those that were raised before this page was opened.
    for (const alarm of info.alarms ?? []) {
      this.alarm({ ...alarm, change: "raised", time: alarm.since });
    }
    const raised = new Set((info.alarms ?? []).map(({ alarm }) => alarm));
    this.alarms = this.alarms.filter(({ alarm, cleared }) => cleared !== null || raised.has(alarm));
  }

  /** Take the next prediction in; the stream gives each once and in order. */
  accept(prediction, steadySeconds, hopSeconds) {
    const point = pointOf(prediction);
    const before = this.points.at(-1);
    // The service's answer about the past may have overtaken its stream.
    const known = before?.end >= point.end && this.points.some((each) => isSame(each, point));
    if (!known) {
      const joined = before !== undefined && follows(point, before, hopSeconds);
      this.points.push({ ...point, joined });
    }
    this.forget(prediction.window.end - HISTORY_SECONDS);
    this.newest = prediction;
    this.arrivedAt = steadySeconds;
    if (isScored(prediction)) this.lastValid = prediction;
  }

  /** Take in predictions that were before; they go into the curves, and none is the present. */
  remember(predictions, hopSeconds) {
    const known = new Set(this.points.map(nameOf));
    const missed = predictions.filter((prediction) => !known.has(nameOf(prediction)));
    const points = [...this.points, ...missed.map(pointOf)].sort((one, other) => one.end - other.end);
    this.points = points.map((point, place) => ({
      ...point,
      joined: place > 0 && follows(point, points[place - 1], hopSeconds),
    }));
    const valid = missed.filter(isScored).sort((one, other) => one.window.end - other.window.end);
    const newest = valid.at(-1);
    if (newest !== undefined && !(this.lastValid?.window.end >= newest.window.end)) {
      this.lastValid = newest;
    }
    if (points.length > 0) this.forget(points.at(-1).end - HISTORY_SECONDS);
  }

  mark(...markers) {
    const known = new Set(this.markers.map(({ time, text }) => `${time} ${text}`));
    const fresh = markers.filter(({ time, text }) => !known.has(`${time} ${text}`));
    const sorted = [...this.markers, ...fresh].sort((one, other) => one.time - other.time);
    this.markers = sorted.slice(-MOST_HAPPENINGS);
  }

  /** Take in markers that were before, as events. */
  recall(events) {
    this.mark(...events.map(({ time, detail, ratings }) => ({ time, text: detail, ratings })));
  }

  /** Record a change of an alarm, which may come twice, or after a status that has it. */
  alarm({ alarm, rule, severity, text, change, time }) {
    const known = this.alarms.find((each) => each.alarm === alarm);
    if (known === undefined && change === "acknowledged") return;
    // One that is known only from its end began before everything that is shown.
    const raised = change === "raised" ? time : -Infinity;
    const kept = known ?? { alarm, rule, severity, text, raised, cleared: null };
    if (change === "raised") kept.raised = time;
    if (change === "cleared") kept.cleared = time;
    if (known !== undefined) return;
    const sorted = [...this.alarms, kept].sort((one, other) => one.raised - other.raised);
    this.alarms = sorted.slice(-MOST_HAPPENINGS);
  }

  forget(before) {
    this.markers = this.markers.filter(({ time }) => time >= before);
    this.alarms = this.alarms.filter(({ cleared }) => cleared === null || cleared >= before);
    const first = this.points.findIndex((point) => point.end >= before);
    this.points = this.points.slice(Math.max(first, this.points.length - MOST_POINTS, 0));
  }
}

/** A valid prediction with both numbers; anything else is not shown as an estimate. */
export function isScored({ valid, arousal, valence }) {
  return valid && Number.isFinite(arousal.probability) && Number.isFinite(valence.probability);
}

/** What the curves need of a prediction; its scores are null where they are not to be shown. */
function pointOf(prediction) {
  const { epoch, seq, window, arousal, valence, reasons } = prediction;
  const valid = isScored(prediction);
  return {
    epoch,
    seq,
    end: window.end,
    arousal: valid ? arousal.probability : null,
    valence: valid ? valence.probability : null,
    reasons,
  };
}

const nameOf = ({ epoch, seq }) => `${epoch} ${seq}`;

const isSame = (one, other) => one.seq === other.seq && one.epoch === other.epoch;

/** Whether no window is missing between the two, so that a line may join them. */
function follows(point, previous, hopSeconds) {
  return (
    point.epoch === previous.epoch &&
    point.seq === previous.seq + 1 &&
    point.end - previous.end < 2 * hopSeconds
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
