// The marks of the run: placed by word, by button or by key, and fetched when somebody else has placed one.

import { ask } from "./interface.js";
import { recall, remember } from "./memory.js";
import { byId, clockTime } from "./page.js";

/** @typedef {{ time_unix_ms: number, text: string, value: number | null, unit: string | null }} PlacedMark */

const KEYS = ["1", "2", "3", "4", "5", "6"];
const FIRST_WORDS = ["shutter open", "shutter closed", "", "", "", ""];
const FETCH_INTERVAL_MS = 500;
const LISTED = 30;
const LATEST = "latest";
const VALUE = /^(.+?)\s*=\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(.{0,40})$/i;

/** @param {PlacedMark} mark */
const inWords = ({ text, value, unit }) => (value === null ? text : `${text} = ${value}${unit ? ` ${unit}` : ""}`);

export class RunMarks {
  /** @param {(marks: readonly import("./chart.js").Mark[]) => void} onMarks @param {() => void} onSince */
  constructor(onMarks, onSince) {
    this.onMarks = onMarks;
    /** @type {PlacedMark[]} */
    this.list = [];
    this.shown = "";
    this.fetchLater = 0;
    this.records = false;
    this.words = recall("mark-keys", FIRST_WORDS);
    this.keysOn = recall("mark-keys-on", true);
    this.button = /** @type {HTMLButtonElement} */ (byId("mark"));
    this.text = /** @type {HTMLInputElement} */ (byId("mark-text"));
    this.trouble = byId("mark-trouble");
    this.since = /** @type {HTMLSelectElement} */ (byId("since"));
    this.since.addEventListener("change", onSince);
    this.onSince = onSince;
    byId("mark-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.place(this.text.value);
    });
    document.addEventListener("keydown", (event) => this.key(event));
    this.makeKeysDialog();
    this.showButtons();
    this.listSince();
  }

  /** Since when monolayers are counted, in ms; null for not at all. */
  get sinceMs() {
    const { value } = this.since;
    if (value === LATEST) return this.list.at(-1)?.time_unix_ms ?? null;
    return value === "" ? null : Number(value);
  }

  /** @param {any} station the state */
  follow(station) {
    const run = station?.run ?? null;
    this.records = run?.phase === "recording";
    this.enable();
    const told = run === null ? this.shown : `${run.run} ${run.marks}`;
    if (told === this.shown || this.fetchLater !== 0) return;
    this.fetchLater = window.setTimeout(() => void this.fetch(told), this.shown === "" ? 0 : FETCH_INTERVAL_MS);
  }

  /** @param {string} told what it is fetched for */
  async fetch(told) {
    try {
      const { marks } = await ask("GET", "/marks");
      this.shown = told;
      this.take(marks);
    } catch {
      // the next state asks again
    } finally {
      this.fetchLater = 0;
    }
  }

  /** @param {PlacedMark[]} marks */
  take(marks) {
    const before = this.sinceMs;
    this.list = [...marks].sort((one, other) => one.time_unix_ms - other.time_unix_ms);
    this.listSince();
    this.onMarks(this.list.map((mark) => ({ time_unix_ms: mark.time_unix_ms, text: inWords(mark) })));
    if (this.sinceMs !== before) this.onSince();
  }

  /** @param {string} words */
  async place(words) {
    const text = words.trim() === "" ? "mark" : words.trim();
    const [, name, value, unit] = VALUE.exec(text) ?? [];
    const body = name === undefined ? { text } : { text: name, value: Number(value), ...(unit === "" ? {} : { unit }) };
    this.trouble.hidden = true;
    try {
      const mark = await ask("POST", "/marks", body);
      this.take([...this.list, mark]);
      if (this.text.value.trim() === words.trim()) this.text.value = "";
    } catch (error) {
      this.trouble.textContent = `Not marked: ${/** @type {Error} */ (error).message}`;
      this.trouble.hidden = false;
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.keysOn || !this.records || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {Element | null} */ (event.target);
    if (target?.closest("input:not([type=checkbox]):not([type=range]), select, textarea") || document.querySelector("dialog[open]")) return;
    const words = this.words[KEYS.indexOf(event.key)];
    if (event.key.toLowerCase() === "m") void this.place(this.text.value);
    else if (words) void this.place(words);
    else return;
    event.preventDefault();
  }

  enable() {
    this.button.disabled = !this.records;
    for (const button of byId("quick-marks").querySelectorAll("button")) button.disabled = !this.records;
  }

  showButtons() {
    const buttons = KEYS.flatMap((key, at) => {
      const words = this.words[at];
      if (!words) return [];
      const [button, hint] = [document.createElement("button"), document.createElement("kbd")];
      button.type = "button";
      hint.textContent = key;
      button.append(words, " ", hint);
      button.addEventListener("click", () => void this.place(words));
      return [button];
    });
    byId("quick-marks").replaceChildren(...buttons);
    this.enable();
  }

  makeKeysDialog() {
    const dialog = /** @type {HTMLDialogElement} */ (byId("keys-dialog"));
    const fields = KEYS.map((key, at) => {
      const [label, input] = [document.createElement("label"), document.createElement("input")];
      input.id = `key-${key}`;
      input.maxLength = 60;
      input.value = this.words[at] ?? "";
      label.htmlFor = input.id;
      label.textContent = `Key ${key}`;
      byId("key-fields").append(label, input);
      return input;
    });
    const on = /** @type {HTMLInputElement} */ (byId("keys-on"));
    on.checked = this.keysOn;
    byId("edit-keys").addEventListener("click", () => dialog.showModal());
    dialog.addEventListener("close", () => {
      this.words = fields.map((input) => input.value.trim());
      this.keysOn = on.checked;
      remember("mark-keys", this.words);
      remember("mark-keys-on", this.keysOn);
      this.showButtons();
    });
  }

  listSince() {
    const chosen = this.since.value;
    const options = [new Option("no mark", ""), new Option("latest mark", LATEST)];
    for (const mark of this.list.slice(-LISTED).reverse()) {
      options.push(new Option(`${clockTime(mark.time_unix_ms)} ${inWords(mark)}`, String(mark.time_unix_ms)));
    }
    this.since.replaceChildren(...options);
    this.since.value = options.some((option) => option.value === chosen) ? chosen : "";
  }
}
