// When a page comes back from suspension: a hidden tab, a frozen page, a computer that slept.

// Time is looked at this often: waking is noticed well within a second.
const TICK_SECONDS = 0.25;
// A page that did nothing for this long was suspended; slow drawing takes less.
export const ASLEEP_SECONDS = 3;

/** Ticks while the page is awake, and says when it may have been asleep. */
export class Waking {
  #onTick;
  #onWake;
  #ending = null; // takes listeners and ticks away
  #activeAt = 0; // by Date.now(): while a computer sleeps other clocks may stand still
  #frozen = false;

  /**
   * @param {() => void} onTick called a few times a second
   * @param {(sleptSeconds: number) => void} onWake called when someone looks again, when the
   *   network is back, and after a sleep, with the time for which nothing was done
   */
  constructor(onTick, onWake) {
    this.#onTick = onTick;
    this.#onWake = onWake;
  }

  start() {
    if (this.#ending !== null) return;
    this.#ending = new AbortController();
    this.#activeAt = Date.now();
    const { signal } = this.#ending;
    const ticks = setInterval(() => {
      this.notice();
      this.#onTick();
    }, TICK_SECONDS * 1000);
    signal.addEventListener("abort", () => clearInterval(ticks));
    const wake = () => this.#wake();
    document.addEventListener("freeze", () => this.#freeze(), { signal });
    document.addEventListener("resume", wake, { signal });
    document.addEventListener("visibilitychange", () => document.hidden || wake(), { signal });
    addEventListener("online", wake, { signal });
  }

  stop() {
    this.#ending?.abort();
    this.#ending = null;
  }

  /** To be called before anything else is done: what comes first after a sleep may be old news. */
  notice() {
    // A hidden page's timers may be a minute apart, which is no sleep; only `freeze` shows that.
    const awake = document.hidden && !this.#frozen;
    if (!awake && Date.now() - this.#activeAt > ASLEEP_SECONDS * 1000) this.#wake();
    this.#activeAt = Date.now();
  }

  #freeze() {
    this.#frozen = true;
    this.#activeAt = Date.now();
  }

  #wake() {
    const slept = (Date.now() - this.#activeAt) / 1000;
    this.#activeAt = Date.now();
    this.#frozen = false;
    this.#onWake(slept);
  }
}
