// The regions' mean and maximum intensity against time.

import { Chart } from "./chart.js";
import { byId } from "./page.js";

/** @param {Float32Array} values @returns {(number | null)[]} with null for what is unknown */
const known = (values) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));

export class Traces {
  /** @param {import("./regions.js").RegionList} regions @param {() => void} onWindow */
  constructor(regions, onWindow) {
    this.regions = regions;
    const chart = (/** @type {string} */ id, /** @type {string} */ what) =>
      new Chart(byId(id), { height: 170, time: true, sync: "traces", label: `${what} intensity of the regions over time` });
    this.mean = chart("mean-chart", "Mean");
    this.maximum = chart("maximum-chart", "Highest");
    this.window = /** @type {HTMLSelectElement} */ (byId("window"));
    this.window.addEventListener("change", onWindow);
  }

  get windowS() {
    return Number(this.window.value);
  }

  /** @param {any} header @param {DataView} parts */
  show(header, parts) {
    const { count, regions, oscillations } = header;
    const bytes = parts.buffer.slice(parts.byteOffset);
    const seconds = Array.from(new Float64Array(bytes, 0, count), (ms) => ms / 1000);
    const rows = (/** @type {number} */ first) =>
      regions.map((/** @type {any} */ _, /** @type {number} */ row) =>
        known(new Float32Array(bytes, 8 * count + 4 * count * (first + row), count)),
      );
    const [mean, maximum] = [rows(0), rows(regions.length)];
    const lines = regions.map((/** @type {any} */ region) => ({ label: region.name, color: region.color }));
    const last = seconds.at(-1);
    const range = header.window_s > 0 && last !== undefined ? [last - header.window_s, last] : undefined;
    this.mean.show(lines, [seconds, ...mean], /** @type {any} */ (range));
    this.maximum.show(lines, [seconds, ...maximum], /** @type {any} */ (range));
    const lasts = (/** @type {(number | null)[][]} */ series) => series.map((values) => values.at(-1) ?? null);
    this.regions.showFigures(regions, lasts(mean), lasts(maximum), oscillations);
  }
}
