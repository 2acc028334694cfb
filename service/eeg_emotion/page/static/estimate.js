// Whether the newest window may be shown as the present, and if not, why not.
//
// An old value must never pass for a current one. Three things can make it old: the service says
// the headset is not delivering, the window itself was not scored, or nothing new came.

import { isScored } from "./headsets.js";
import { reasonSentence, stateSentence } from "./sentences.js";

const WITHHELD_STATES = ["stale", "lost", "quarantined"];
// Windows come every hop, but the way here is not perfectly even.
const JITTER_SECONDS = 0.5;

/**
 * Returns {current, silent, why, newest, lastValid, model, ageSeconds}. `why` are sentences, empty
 * when current; `ageSeconds` is that of the last valid estimate, null when there has been none.
 */
export function judge(headset, { connected, model, serviceSeconds, steadySeconds }) {
  const { newest = null, lastValid = null, arrivedAt = null } = headset ?? {};
  // What an earlier connection of the headset gave says nothing of the present one.
  const none = newest === null || newest.epoch !== headset.info.epoch;
  const silent = none || isSilent(newest, arrivedAt, model, serviceSeconds, steadySeconds);
  const why = [];

  if (WITHHELD_STATES.includes(headset?.info.state)) why.push(stateSentence(headset.info.state));

  if (silent) {
    // What the last window was refused for says nothing about now.
    if (!connected) why.push("No connection to the service.");
    else if (headset === null) why.push("No headset has been found yet.");
    else if (why.length === 0) {
      why.push(none ? "No window has been scored yet." : "No new window has arrived.");
    }
  } else if (!isScored(newest)) {
    // That a headset is stale is stated once, by its state.
    const explained = why.length > 0;
    const reasons = newest.reasons.filter((reason) => !(explained && reason === "stale"));
    why.push(...reasons.map(reasonSentence));
    if (why.length === 0) why.push("The newest window has no score.");
  }

  return {
    current: why.length === 0,
    silent,
    why,
    newest,
    lastValid,
    model,
    ageSeconds: lastValid === null ? null : Math.max(0, serviceSeconds - lastValid.window.end),
  };
}

/**
 * Nothing came for two hops; or what came is old by its own stamp, as after sleep, when the
 * steady clock stood still. A whole window is added there because clocks may differ a little.
 */
function isSilent(newest, arrivedAt, model, serviceSeconds, steadySeconds) {
  const hop = model?.hop_seconds ?? 1;
  const window = model?.window_seconds ?? 5;
  return (
    steadySeconds - arrivedAt > 2 * hop + JITTER_SECONDS ||
    serviceSeconds - newest.window.end > 2 * hop + window
  );
}
