// The service's clock as seen from here.
//
// Ages are counted from a window's end, which the service stamps. A tablet whose clock is off by
// a minute would call every estimate a minute old, or worse, an old one new. The Date header of
// any response states the service's time to about a second.

// Below this an offset cannot be distinguished from the header's whole seconds and the delay.
const NOTICEABLE_SECONDS = 2;

let offsetSeconds = 0;

/** Unix seconds, UTC, by the service's clock. */
export const serviceSeconds = () => Date.now() / 1000 - offsetSeconds;

/** Seconds that never jump, for "how long since that arrived". */
export const steadySeconds = () => performance.now() / 1000;

/** This device's clock minus the service's, 0 where they agree. */
export const clockOffset = () => offsetSeconds;

export async function compareClocks() {
  try {
    const asked = Date.now();
    const answer = await fetch(new URL("icon.svg", import.meta.url), { method: "HEAD", cache: "no-store" });
    const stated = Date.parse(answer.headers.get("Date") ?? "");
    if (Number.isNaN(stated)) return;
    // The header drops the fraction of its second: half of one is the best guess.
    const measured = ((asked + Date.now()) / 2 - (stated + 500)) / 1000;
    offsetSeconds = Math.abs(measured) > NOTICEABLE_SECONDS ? measured : 0;
  } catch {
    // Unreachable just now: the last known offset stays.
  }
}
