// What a run is told when it is started in the page: remembered from one to the next, and kept as presets.

import { ask } from "./interface.js";
import { recall, remember } from "./memory.js";
import { byId } from "./page.js";

/** @typedef {Record<string, string>} Answers the fields' texts by their names */

const NUMBERS = new Set(["rotations_per_min", "duration", "frames", "pre_roll_s"]);

/** @param {Answers} answers @returns {Record<string, unknown>} as the interface takes them */
function asRequest(answers) {
  /** @type {Record<string, unknown>} */
  const request = { wait_s: 0 };
  for (const [name, text] of Object.entries(answers)) {
    if (text === "") continue;
    if (NUMBERS.has(name)) request[name] = Number(text);
    else if (name === "archive") request[name] = text === "true";
    else if (name === "tags") request[name] = text.split(",").map((tag) => tag.trim()).filter(Boolean);
    else request[name] = text;
  }
  return request;
}

export class StartForm {
  /** @param {HTMLButtonElement} button that opens it */
  constructor(button) {
    this.dialog = /** @type {HTMLDialogElement} */ (byId("start-dialog"));
    this.form = /** @type {HTMLFormElement} */ (byId("start-form"));
    this.preset = /** @type {HTMLSelectElement} */ (byId("preset"));
    this.presetName = /** @type {HTMLInputElement} */ (byId("preset-name"));
    this.forget = /** @type {HTMLButtonElement} */ (byId("forget-preset"));
    this.trouble = byId("start-trouble");
    /** @type {Record<string, Answers>} */
    this.presets = recall("presets", {});
    button.addEventListener("click", () => this.open());
    byId("cancel-start").addEventListener("click", () => this.dialog.close());
    byId("keep-preset").addEventListener("click", () => this.keep());
    this.forget.addEventListener("click", () => this.drop());
    this.preset.addEventListener("change", () => this.fill(this.presets[this.preset.value] ?? recall("last-run", {})));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.start();
    });
    this.listPresets("");
  }

  /** @returns {(HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement)[]} */
  get fields() {
    return [...this.form.querySelectorAll("[name]")].map((field) => /** @type {any} */ (field));
  }

  /** @returns {Answers} */
  get answers() {
    return Object.fromEntries(this.fields.map((field) => [field.name, field.value.trim()]));
  }

  open() {
    this.trouble.hidden = true;
    this.listPresets("");
    this.fill(recall("last-run", {}));
    this.dialog.showModal();
    const [name] = this.fields;
    name.focus();
    /** @type {HTMLInputElement} */ (name).select();
  }

  /** @param {Answers} answers */
  fill(answers) {
    for (const field of this.fields) field.value = answers[field.name] ?? "";
    this.forget.disabled = this.preset.value === "";
  }

  /** @param {string} chosen */
  listPresets(chosen) {
    const option = (/** @type {string} */ value, /** @type {string} */ text) => new Option(text, value, false, value === chosen);
    this.preset.replaceChildren(option("", "the last run"), ...Object.keys(this.presets).sort().map((name) => option(name, name)));
    this.forget.disabled = chosen === "";
  }

  keep() {
    const name = this.presetName.value.trim();
    if (name === "") {
      this.presetName.focus();
      return;
    }
    this.presets[name] = this.answers;
    remember("presets", this.presets);
    this.presetName.value = "";
    this.listPresets(name);
  }

  drop() {
    delete this.presets[this.preset.value];
    remember("presets", this.presets);
    this.listPresets("");
  }

  async start() {
    const { answers } = this;
    this.trouble.hidden = true;
    try {
      await ask("POST", "/start", asRequest(answers));
    } catch (error) {
      this.trouble.textContent = String(/** @type {Error} */ (error).message);
      this.trouble.hidden = false;
      return;
    }
    remember("last-run", answers);
    this.dialog.close();
  }
}
