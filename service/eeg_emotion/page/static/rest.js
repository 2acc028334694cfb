// Leads a person through the rest that a model of the kind "rest-baseline" needs of them.

import { part, write } from "./dom.js";
import { Running } from "./rest_running.js";
import { Done, Failed, Note, Offer } from "./rest_views.js";

const MAY_NOT = 403;

/** What is known of one headset's baseline, how it is asked for, and which view shows it. */
export class RestGuide {
  constructor(element, ask) {
    this.ask = ask;
    this.body = part("div");
    this.trouble = part("p", { class: "rest-trouble", role: "alert" });
    this.news = part("p", { class: "unseen", role: "status" });
    element.classList.add("rest");
    element.replaceChildren(this.body, this.trouble, this.news);
    this.given = null; // what `show` was called with last
    this.id = null; // the headset
    this.reported = null; // the newest `baseline` message
    this.known = null; // the newest that is known, a message or an answer
    this.asked = false; // an answer came, or a refusal
    this.connected = false;
    this.profiles = []; // those that may be chosen
    this.again = false; // a person wants another in place of the one in use
    this.busy = false;
    this.shown = null;
    const say = (text) => write(this.news, text);
    const offer = () => this.offer(true);
    this.views = {
      note: new Note(),
      offer: new Offer({
        start: (seconds, profile) => this.change("POST", { seconds, profile }),
        use: (profile) => this.change("PUT", { profile }),
        back: () => this.offer(false),
      }),
      running: new Running({ cancel: () => this.change("DELETE"), say }),
      failed: new Failed({ again: offer, say }),
      done: new Done({ again: offer, stop: () => this.change("DELETE"), say }),
    };
  }

  /** Show where a headset stands; `baseline` is its newest message of that type, or null. */
  show({ headset, baseline, verdict, model, connected }) {
    this.given = { headset, baseline, verdict, model, connected };
    const needed = model?.normaliser === "rest-baseline";
    if (needed) this.follow(headset?.id ?? null, baseline, connected);
    this.display();
  }

  follow(id, baseline, connected) {
    const other = id !== this.id;
    if (other) {
      this.id = id;
      this.reported = this.known = null;
      this.asked = this.again = false;
      this.profiles = [];
      write(this.trouble, "");
    }
    if (baseline !== this.reported) {
      this.reported = baseline;
      if (baseline !== null) this.learn(baseline);
    }
    // Messages of the time without a connection do not come later.
    const back = connected && !this.connected;
    this.connected = connected;
    if (id !== null && connected && (other || back)) this.request("GET").then(() => this.list());
  }

  learn(baseline) {
    // A running collection is shown, no matter who started it.
    if (baseline.state === "collecting" || baseline.state !== this.known?.state) this.again = false;
    this.known = baseline;
  }

  async list() {
    const { id } = this;
    let profiles = [];
    let trouble = "";
    try {
      ({ profiles } = await this.ask("GET", "/v1/profiles"));
    } catch (error) {
      // Who may not list profiles is offered none, and needs none.
      if (error.status !== MAY_NOT) trouble = error.message;
    }
    if (id !== this.id) return;
    this.profiles = profiles;
    if (trouble !== "") write(this.trouble, trouble);
    this.display();
  }

  /** Do what a button says, once at a time: a second press would be refused. */
  async change(method, body) {
    if (this.busy) return;
    this.busy = true;
    write(this.trouble, "");
    await this.request(method, body);
    this.busy = false;
  }

  async request(method, body) {
    const { id, reported } = this;
    let found = null;
    let trouble = "";
    try {
      const place = `/v1/headsets/${encodeURIComponent(id)}/baseline`;
      found = await this.ask(method, place, body);
    } catch (error) {
      trouble = error.message;
    }
    if (id !== this.id) return; // another headset was chosen meanwhile
    this.asked = true;
    write(this.trouble, trouble);
    if (found !== null && method !== "GET") this.again = false;
    // A message that came meanwhile may be the newer one; if not, another follows.
    if (found !== null && reported === this.reported) this.learn(found);
    this.display();
  }

  offer(again) {
    this.again = again;
    write(this.trouble, "");
    if (again) this.list();
    this.display();
  }

  // ---- which view

  display() {
    const name = this.viewName();
    const view = this.views[name];
    const shown = `${name} ${this.id}`;
    if (shown !== this.shown) {
      // The focus moves along only if it is here already.
      const inside = this.body.contains(document.activeElement);
      this.body.replaceChildren(view.element);
      const first = this.shown === null;
      this.shown = shown;
      view.begin?.(this.known, first);
      if (inside) view.heading.focus();
    }
    const { verdict, model, headset, connected } = this.given;
    view.show({
      baseline: this.known,
      profiles: this.profiles,
      again: this.again,
      verdict,
      model,
      headset,
      connected,
    });
  }

  viewName() {
    const { model, headset } = this.given;
    if (model === null || model.normaliser !== "rest-baseline" || headset === null) return "note";
    if (this.known === null) return this.asked ? "offer" : "note";
    if (this.again) return "offer";
    const views = { collecting: "running", applied: "done", failed: "failed" };
    return views[this.known.state] ?? "offer";
  }
}
