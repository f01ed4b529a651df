// Exposure and gain as the camera holds them, and to change them while it runs.

import { ask } from "./interface.js";
import { byId } from "./page.js";

/** @typedef {{ asked: number | null, actual: number }} Adjustable */

const LABELS = { exposure_us: "exposure", gain: "gain" };

/** @param {number} value as it is written, without what a float has too much */
const written = (value) => String(Number(value.toPrecision(8)));

export class CameraForm {
  constructor() {
    this.form = /** @type {HTMLFormElement} */ (byId("camera-form"));
    this.button = /** @type {HTMLButtonElement} */ (byId("set-camera"));
    this.trouble = byId("camera-trouble");
    /** @type {Record<string, HTMLInputElement>} */
    this.fields = {};
    for (const name of Object.keys(LABELS)) this.fields[name] = /** @type {any} */ (this.form.elements.namedItem(name));
    /** @type {Record<string, string>} what the camera holds, by name */
    this.held = {};
    this.form.addEventListener("input", () => this.enable());
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.restore();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.set();
    });
  }

  /** @param {any} camera as clients of the interface are told of it */
  follow(camera) {
    const before = this.held;
    this.held = {};
    const asked = [];
    for (const [name, label] of Object.entries(LABELS)) {
      const field = this.fields[name];
      const told = /** @type {Adjustable | null | undefined} */ (camera?.[name]);
      /** @type {HTMLElement} */ (field.closest("label")).hidden = !told;
      field.disabled = !told;
      if (!told) continue;
      this.held[name] = written(told.actual);
      // What somebody is about to ask for is left alone.
      if (before[name] === undefined || field.value === before[name]) field.value = this.held[name];
      if (told.asked !== null && written(told.asked) !== this.held[name]) asked.push(`${label} ${written(told.asked)}`);
    }
    const text = asked.length > 0 ? `asked for ${asked.join(", ")}` : "";
    const note = byId("camera-asked");
    if (note.textContent !== text) note.textContent = text;
    this.form.hidden = Object.keys(this.held).length === 0;
    this.enable();
  }

  /** @returns {Record<string, number>} */
  get changes() {
    const changed = Object.entries(this.held).filter(([name, value]) => this.fields[name].value !== value);
    return Object.fromEntries(changed.map(([name]) => [name, this.fields[name].valueAsNumber]));
  }

  enable() {
    this.button.disabled = Object.keys(this.changes).length === 0;
  }

  restore() {
    for (const [name, value] of Object.entries(this.held)) this.fields[name].value = value;
    this.trouble.hidden = true;
    this.enable();
  }

  async set() {
    this.trouble.hidden = true;
    try {
      const taken = await ask("POST", "/camera", this.changes);
      for (const name of Object.keys(this.held)) {
        if (typeof taken[name] !== "number") continue;
        this.held[name] = written(taken[name]);
        this.fields[name].value = this.held[name];
      }
      this.enable();
    } catch (error) {
      this.trouble.textContent = `Not set: ${/** @type {Error} */ (error).message}`;
      this.trouble.hidden = false;
    }
  }
}
