// An alarm by sound and colour, when a region has grown so much, or its mean has passed a level.

import { recall, remember } from "./memory.js";
import { byId } from "./page.js";

/** @typedef {{ region: string, kind: "count" | "above" | "below", value: number }} Wish */

const BEEP_S = 0.25;
const EVERY_MS = 700;

/** Beeps for as long as it is on; browsers allow it once the page has been touched. */
class Beeper {
  constructor() {
    /** @type {AudioContext | null} */
    this.audio = null;
    this.timer = 0;
    // What is touched first unlocks sound, also for an alarm that was set before the page was opened anew.
    const unlock = () => void this.ready().resume();
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, unlock, { once: true });
  }

  ready() {
    this.audio ??= new AudioContext();
    return this.audio;
  }

  start() {
    if (this.timer !== 0) return;
    this.beep();
    this.timer = window.setInterval(() => this.beep(), EVERY_MS);
  }

  stop() {
    window.clearInterval(this.timer);
    this.timer = 0;
  }

  beep() {
    const audio = this.ready();
    if (audio.state !== "running") void audio.resume();
    const [tone, loudness] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = 880;
    loudness.gain.value = 0.3;
    tone.connect(loudness).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + BEEP_S);
    document.body.dataset.sounds = audio.state;
  }
}

export class Alarm {
  /** @param {import("./strips.js").Strips} strips @param {() => boolean} counts whether monolayers are counted */
  constructor(strips, counts) {
    this.strips = strips;
    this.counts = counts;
    this.beeper = new Beeper();
    /** @type {Wish | null} */
    this.wish = recall("alarm", null);
    /** @type {string[]} */
    this.names = [];
    this.lookedS = -Infinity;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("alarm-dialog"));
    this.form = /** @type {HTMLFormElement} */ (byId("alarm-form"));
    this.button = /** @type {HTMLButtonElement} */ (byId("edit-alarm"));
    this.button.addEventListener("click", () => this.open());
    byId("cancel-alarm").addEventListener("click", () => this.dialog.close());
    byId("alarm-off").addEventListener("click", () => {
      this.set(null);
      this.dialog.close();
    });
    byId("alarm-seen").addEventListener("click", () => this.quiet());
    this.form.addEventListener("input", () => this.hint());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { region, kind, value } = Object.fromEntries(new FormData(this.form));
      this.set(/** @type {any} */ ({ region, kind, value: Number(value) }));
      this.dialog.close();
    });
    this.show();
  }

  /** @param {readonly import("./regions.js").Region[]} regions */
  follow(regions) {
    this.names = regions.map((region) => region.name);
    // Before the regions are known, or where there are none, nothing can be waited for.
    this.button.disabled = this.names.length === 0;
  }

  open() {
    const field = (/** @type {string} */ name) => /** @type {any} */ (this.form.elements.namedItem(name));
    field("region").replaceChildren(...this.names.map((name) => new Option(name)));
    if (this.wish !== null) {
      for (const [name, value] of Object.entries(this.wish)) field(name).value = String(value);
    }
    this.hint();
    this.dialog.showModal();
  }

  hint() {
    const kind = /** @type {any} */ (this.form.elements.namedItem("kind")).value;
    byId("alarm-hint").hidden = kind !== "count" || this.counts();
  }

  /** @param {Wish | null} wish */
  set(wish) {
    this.wish = wish;
    this.lookedS = this.strips.shown?.seconds.at(-1) ?? -Infinity;
    remember("alarm", wish);
    this.show();
  }

  show() {
    const { wish, button } = this;
    button.dataset.set = String(wish !== null);
    const unit = wish?.kind === "count" ? "ML" : "";
    const sign = wish?.kind === "count" ? "at" : (wish?.kind ?? "");
    button.textContent = wish === null ? "Alarm…" : `Alarm: ${wish.region} ${sign} ${wish.value} ${unit}`.trim();
  }

  /** Traces have come. */
  look() {
    const { wish } = this;
    if (wish === null || wish.kind === "count") return;
    const { last, means } = this.strips.meansSince(wish.region, this.lookedS);
    this.lookedS = last;
    const passed = means.find((mean) => (wish.kind === "above" ? mean > wish.value : mean < wish.value));
    if (passed !== undefined) this.ring(`${wish.region} is ${wish.kind} ${wish.value}: ${passed.toFixed(1)}`);
  }

  /** @param {readonly import("./strips.js").Growth[]} growths */
  lookAtGrowth(growths) {
    const { wish } = this;
    if (wish === null || wish.kind !== "count") return;
    const grown = growths.find(({ region }) => region.name === wish.region)?.monolayers ?? null;
    if (grown !== null && grown.count >= wish.value) this.ring(`${wish.region} has grown ${grown.count.toFixed(1)} ML`);
  }

  /** @param {string} text */
  ring(text) {
    this.set(null);
    byId("alarm-text").textContent = text;
    byId("alarm-banner").hidden = false;
    document.body.classList.add("alarming");
    this.beeper.start();
  }

  quiet() {
    byId("alarm-banner").hidden = true;
    document.body.classList.remove("alarming");
    this.beeper.stop();
  }
}
