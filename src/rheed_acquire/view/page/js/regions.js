// The regions of interest: the list that is followed, and the table that shows and edits it.

import { byId } from "./page.js";

/** @typedef {{ name: string, x: number, y: number, width: number, height: number, color: string }} Region */

const PALETTE = ["#4fc3f7", "#ffb74d", "#aed581", "#f06292", "#ba68c8", "#fff176", "#4db6ac", "#e57373"];
const MOST = 12;
const PLACES = /** @type {const} */ (["x", "y", "width", "height"]);

export class RegionList {
  /**
   * @param {() => void} onChanged the list looks different
   * @param {(regions: readonly Region[]) => boolean} onSettled it shall be followed; false where it could not be told
   */
  constructor(onChanged, onSettled) {
    this.onChanged = onChanged;
    this.onSettled = onSettled;
    /** @type {Region[]} */
    this.list = [];
    /** @type {Region[]} what the acquisition follows */
    this.followed = [];
    /** @type {string[]} what was wished for and is not followed yet, as JSON, the oldest first */
    this.wished = [];
    this.frame = { width: 0, height: 0 };
    this.previewing = false;
    this.body = byId("region-rows");
    for (const id of ["add-region", "first-region"]) byId(id).addEventListener("click", () => this.add());
  }

  /** @param {Region[]} regions those of the state @param {boolean} refused whether the last wish was */
  follow(regions, refused) {
    const told = JSON.stringify(regions);
    const news = told !== JSON.stringify(this.followed);
    this.followed = regions;
    const granted = this.wished.indexOf(told);
    if (granted >= 0) this.wished.splice(0, granted + 1);
    else if (news || refused) this.wished = [];
    // An answer to a wish that a newer one has overtaken would take that back for a moment.
    if (this.previewing || this.wished.length > 0 || !(news || refused)) return;
    if (told === JSON.stringify(this.list)) return;
    this.list = structuredClone(regions);
    this.render();
  }

  /** Go back to what is followed. */
  revert() {
    this.wished = [];
    this.list = structuredClone(this.followed);
    this.render();
  }

  /** @param {number} width @param {number} height of the frame */
  setFrame(width, height) {
    if (width === this.frame.width && height === this.frame.height) return;
    this.frame = { width, height };
    this.render();
  }

  /** @param {{ x: number, y: number, width: number, height: number }} box @returns {Region} with a name of its own */
  fresh(box) {
    const names = new Set(this.list.map((region) => region.name));
    let number = this.list.length + 1;
    while (names.has(`region ${number}`)) number += 1;
    const used = new Set(this.list.map((region) => region.color));
    const color = PALETTE.find((one) => !used.has(one)) ?? PALETTE[number % PALETTE.length];
    return { name: names.size === 0 ? "specular" : `region ${number}`, ...box, color };
  }

  /** Show a region as it would be, while it is dragged. @param {number} index @param {Region} region */
  preview(index, region) {
    if (index >= MOST) return;
    this.previewing = true;
    this.list[index] = region;
    this.render();
  }

  /** @param {boolean} wanted whether what was previewed shall hold */
  settle(wanted) {
    if (!this.previewing) return;
    this.previewing = false;
    if (!wanted || !this.onSettled(this.list)) this.revert();
    else this.wished.push(JSON.stringify(this.list));
  }

  add() {
    if (this.list.length >= MOST || this.frame.width === 0) return;
    const [width, height] = [Math.ceil(this.frame.width / 10), Math.ceil(this.frame.height / 10)];
    const [x, y] = [(this.frame.width - width) >> 1, (this.frame.height - height) >> 1];
    this.preview(this.list.length, this.fresh({ x, y, width, height }));
    this.settle(true);
    /** @type {HTMLInputElement | null} */ (this.body.querySelector("tr:last-child input[type=text]"))?.focus();
  }

  /** @param {number} index */
  remove(index) {
    this.list.splice(index, 1);
    this.previewing = true;
    this.render();
    this.settle(true);
    byId("add-region").focus();
  }

  render() {
    // Rows are kept while they can be: an input that is being typed in must not vanish.
    while (this.body.children.length > this.list.length) this.body.lastElementChild?.remove();
    while (this.body.children.length < this.list.length) this.body.append(this.makeRow(this.body.children.length));
    this.list.forEach((region, index) => this.fillRow(/** @type {HTMLTableRowElement} */ (this.body.children[index]), region));
    byId("no-regions").hidden = this.list.length > 0;
    /** @type {HTMLButtonElement} */ (byId("add-region")).disabled = this.list.length >= MOST;
    this.onChanged();
  }

  /** @param {number} index */
  makeRow(index) {
    const row = document.createElement("tr");
    const cell = (/** @type {Node} */ child) => {
      const td = document.createElement("td");
      td.append(child);
      row.append(td);
    };
    const input = (/** @type {string} */ type, /** @type {keyof Region} */ field) => {
      const element = document.createElement("input");
      element.type = type;
      element.dataset.field = field;
      element.required = true;
      if (type === "text") element.maxLength = 40;
      element.addEventListener("change", () => this.edited(index, element));
      return element;
    };
    cell(input("color", "color"));
    cell(input("text", "name"));
    for (const place of PLACES) cell(input("number", place));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.addEventListener("click", () => this.remove(index));
    cell(remove);
    return row;
  }

  /** @param {HTMLTableRowElement} row @param {Region} region */
  fillRow(row, region) {
    const { width, height } = this.frame;
    const limits = { x: [0, width - 1], y: [0, height - 1], width: [1, width], height: [1, height] };
    for (const input of row.querySelectorAll("input")) {
      const field = /** @type {keyof Region} */ (input.dataset.field);
      if (field === "x" || field === "y" || field === "width" || field === "height") {
        [input.min, input.max] = limits[field].map(String);
      }
      const value = String(region[field]);
      if (input.value !== value) input.value = value;
      input.setAttribute("aria-label", `${field === "color" ? "colour" : field} of ${region.name}`);
    }
    row.querySelector("button")?.setAttribute("aria-label", `Remove ${region.name}`);
  }

  /** @param {number} index @param {HTMLInputElement} input */
  edited(index, input) {
    if (!input.checkValidity() || input.value.trim() === "") {
      this.render();
      return;
    }
    const field = /** @type {keyof Region} */ (input.dataset.field);
    const value = input.type === "number" ? Math.round(Number(input.value)) : input.value.trim();
    this.preview(index, { ...this.list[index], [field]: value });
    this.settle(true);
  }
}
