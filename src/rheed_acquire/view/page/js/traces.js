// The regions' mean and maximum intensity against time.

import { Chart } from "./chart.js";
import { byId } from "./page.js";

const NOTICED_S = 1;

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
    this.silentS = 0;
    /** @type {{ lines: any[], mean: any[], maximum: any[], windowS: number } | null} */
    this.shown = null;
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
    // Time goes on where no frame comes; what comes now is of now.
    if (this.shown === null || this.shown.mean[0].at(-1) !== seconds.at(-1)) this.silentS = 0;
    this.shown = { lines, mean: [seconds, ...mean], maximum: [seconds, ...maximum], windowS: header.window_s };
    this.draw();
    const lasts = (/** @type {(number | null)[][]} */ series) => series.map((values) => values.at(-1) ?? null);
    this.regions.showFigures(regions, lasts(mean), lasts(maximum), oscillations);
  }

  /** @param {number} seconds since the newest frame came */
  setSilence(seconds) {
    const silentS = seconds > NOTICED_S ? seconds : 0;
    if (silentS === this.silentS) return;
    this.silentS = silentS;
    this.draw();
  }

  draw() {
    if (this.shown === null) return;
    const { lines, mean, maximum, windowS } = this.shown;
    const [first, last] = [mean[0].at(0), mean[0].at(-1)];
    const now = last === undefined ? undefined : last + this.silentS;
    /** @type {any} */
    const range = now === undefined ? undefined : windowS > 0 ? [now - windowS, now] : this.silentS > 0 ? [first, now] : undefined;
    this.mean.show(lines, mean, range);
    this.maximum.show(lines, maximum, range);
  }
}
