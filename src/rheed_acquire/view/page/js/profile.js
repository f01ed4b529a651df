// The gray levels along a line through the picture.

import { Chart } from "./chart.js";
import { byId, clamp } from "./page.js";

/** @typedef {import("./overlay.js").Line} Line */

const FIELDS = ["line-x0", "line-y0", "line-x1", "line-y1"];

export class Profile {
  /** @param {import("./picture.js").Picture} picture @param {(line: Line | null) => void} onLine */
  constructor(picture, onLine) {
    this.picture = picture;
    this.onLine = onLine;
    this.chart = new Chart(byId("profile-chart"), {
      yRange: [0, 260],
      xLabel: "pixels along the line, gray level",
      label: "Gray level along the line",
    });
    this.inputs = FIELDS.map((id) => /** @type {HTMLInputElement} */ (byId(id)));
    for (const input of this.inputs) input.addEventListener("change", () => this.typed());
    byId("remove-line").addEventListener("click", () => onLine(null));
    byId("line-through-spot").addEventListener("click", () => {
      const spot = picture.brightestSpot();
      if (spot !== null) onLine([0, spot.y, picture.width - 1, spot.y]);
    });
    this.clear();
  }

  typed() {
    if (this.picture.width === 0 || this.inputs.some((input) => input.value === "")) return;
    const most = [this.picture.width, this.picture.height, this.picture.width, this.picture.height];
    const ends = this.inputs.map((input, at) => clamp(Math.round(Number(input.value)), 0, most[at] - 1));
    this.onLine(/** @type {Line} */ (ends));
  }

  /** @param {Line | null} line */
  setLine(line) {
    this.inputs.forEach((input, at) => {
      input.value = line === null ? "" : String(line[at]);
    });
    if (line === null) this.clear();
  }

  clear() {
    this.show([]);
  }

  /** @param {number[]} values one pixel apart */
  show(values) {
    this.chart.show([{ label: "gray level", color: "#4fc3f7" }], [values.map((_, at) => at), values]);
  }
}
