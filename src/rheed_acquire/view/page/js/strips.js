// What is followed over time, one strip for each: figures, and their trace beside them, all over one axis of time.

import { Chart } from "./chart.js";
import { byId, withUncertainty } from "./page.js";

/** @typedef {import("./regions.js").Region} Region */
/** @typedef {{ period_s: number, uncertainty_s: number, growth_rate: number, growth_uncertainty: number, periods: number }} Oscillation */
/** @typedef {{ region: Region, oscillation: Oscillation | null, monolayers: { count: number, uncertainty: number } | null }} Growth */

const NOTICED_S = 1;
const CHANNEL_COLORS = ["#b0bec5", "#ffe082", "#80cbc4", "#ef9a9a"];
const LEAST_COUNT_ERROR = 0.02; // monolayers

/** @param {Float32Array} values @returns {(number | null)[]} with null for what is unknown */
const known = (values) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));

/** One strip: a name, a main figure, further ones, and a trace. */
class Strip {
  /** @param {string} name @param {string} color */
  constructor(name, color) {
    this.color = color;
    this.name = name;
    this.element = document.createElement("li");
    this.element.className = "strip";
    this.element.dataset.name = name;
    this.element.style.setProperty("--strip", color);
    const figures = document.createElement("div");
    figures.className = "strip-figures";
    /** @type {Record<string, HTMLElement>} */
    this.figures = {};
    for (const [figure, className] of /** @type {const} */ ([
      ["name", "strip-name"],
      ["growth", "strip-main growth"],
      ["period", "strip-more period"],
      ["count", "strip-more count"],
      ["level", "strip-more strip-level"],
    ])) {
      const line = document.createElement("p");
      line.className = className;
      this.figures[figure] = line;
      figures.append(line);
    }
    this.write("name", name);
    this.figures.name.title = name;
    const place = document.createElement("div");
    place.className = "chart";
    this.element.append(figures, place);
    this.chart = new Chart(place, { time: true, sync: "traces", label: `${name} over time` });
  }

  /** @param {string} figure @param {string} text */
  write(figure, text) {
    if (this.figures[figure].textContent !== text) this.figures[figure].textContent = text;
  }

  /** @param {any[]} series times and values @param {[number, number] | undefined} range */
  show(series, range) {
    this.chart.show([{ label: this.name, color: this.color }], series, range);
  }

  remove() {
    this.chart.destroy();
    this.element.remove();
  }
}

export class Strips {
  /** @param {() => void} onAsked what is shown, or taken together, has been chosen anew */
  constructor(onAsked) {
    this.list = byId("strips");
    /** @type {Strip[]} */
    this.strips = [];
    const select = (/** @type {string} */ id) => /** @type {HTMLSelectElement} */ (byId(id));
    this.window = select("window");
    this.oscillations = select("oscillations");
    this.quantity = select("quantity");
    for (const one of [this.window, this.oscillations]) one.addEventListener("change", onAsked);
    this.quantity.addEventListener("change", () => this.draw());
    this.silentS = 0;
    /** @type {readonly import("./chart.js").Mark[]} */
    this.marks = [];
    /** @type {readonly import("./channels.js").Channel[]} */
    this.channels = [];
    /** @type {Strip[]} */
    this.channelStrips = [];
    /** @type {{ regions: Region[], seconds: number[], mean: (number | null)[][], maximum: (number | null)[][], windowS: number } | null} */
    this.shown = null;
  }

  get windowS() {
    return Number(this.window.value);
  }

  get latest() {
    return Number(this.oscillations.value);
  }

  /** @param {any} header @param {DataView} parts */
  show(header, parts) {
    const { count, regions } = header;
    const bytes = parts.buffer.slice(parts.byteOffset);
    const seconds = Array.from(new Float64Array(bytes, 0, count), (ms) => ms / 1000);
    const rows = (/** @type {number} */ first) =>
      regions.map((/** @type {any} */ _, /** @type {number} */ row) =>
        known(new Float32Array(bytes, 8 * count + 4 * count * (first + row), count)),
      );
    // Time goes on where no frame comes; what comes now is of now.
    if (this.shown === null || this.shown.seconds.at(-1) !== seconds.at(-1)) this.silentS = 0;
    this.shown = { regions, seconds, mean: rows(0), maximum: rows(regions.length), windowS: header.window_s };
    this.draw();
  }

  /** The means that came after a time. @param {string} name of the region @param {number} since in s @returns {{ last: number, means: number[] }} */
  meansSince(name, since) {
    const { regions = [], seconds = [], mean = [] } = this.shown ?? {};
    const row = regions.findIndex((region) => region.name === name);
    if (row < 0) return { last: since, means: [] };
    const means = mean[row].filter((value, at) => value !== null && seconds[at] > since);
    return { last: seconds.at(-1) ?? since, means: /** @type {number[]} */ (means) };
  }

  /** @param {readonly Growth[]} growths @param {boolean} counts whether monolayers are counted */
  showGrowth(growths, counts) {
    for (const strip of this.strips) {
      const growth = growths.find(({ region }) => region.name === strip.name);
      const found = growth?.oscillation ?? null;
      strip.write("growth", found === null ? "– ML/s" : `${withUncertainty(found.growth_rate, found.growth_uncertainty)} ML/s`);
      strip.write(
        "period",
        found === null
          ? "no oscillation"
          : `${withUncertainty(found.period_s, found.uncertainty_s)} s, ${Math.floor(found.periods + 0.05)} osc.`,
      );
      const grown = growth?.monolayers ?? null;
      strip.write("count", counts ? (grown === null ? "– ML" : `${withUncertainty(grown.count, Math.max(grown.uncertainty, LEAST_COUNT_ERROR))} ML`) : "");
    }
  }

  /** Show what other instruments say, below the regions. @param {readonly import("./channels.js").Channel[]} channels */
  showChannels(channels) {
    this.channels = channels;
    const before = this.channelStrips;
    this.channelStrips = channels.map(({ name }, at) => {
      const kept = before.findIndex((one) => one.name === name);
      return kept < 0 ? new Strip(name, CHANNEL_COLORS[at % CHANNEL_COLORS.length]) : before.splice(kept, 1)[0];
    });
    for (const strip of before) strip.remove();
    this.place();
    this.draw();
  }

  /** @param {readonly import("./chart.js").Mark[]} marks */
  setMarks(marks) {
    this.marks = marks;
    this.draw();
  }

  /** @param {number} seconds since the newest frame came */
  setSilence(seconds) {
    const silentS = seconds > NOTICED_S ? seconds : 0;
    if (silentS === this.silentS) return;
    this.silentS = silentS;
    this.draw();
  }

  /** Have one strip for each region, in their order. @param {readonly Region[]} regions */
  follow(regions) {
    const isSame =
      regions.length === this.strips.length &&
      regions.every(({ name, color }, at) => this.strips[at].name === name && this.strips[at].color === color);
    if (isSame) return;
    const before = this.strips;
    this.strips = regions.map(({ name, color }) => {
      const kept = before.findIndex((one) => one.name === name && one.color === color);
      return kept < 0 ? new Strip(name, color) : before.splice(kept, 1)[0];
    });
    for (const strip of before) strip.remove();
    this.place();
  }

  /** Put the strips one below the other: words of marks above the first, times below the last. */
  place() {
    const all = [...this.strips, ...this.channelStrips];
    all.forEach((strip, at) => {
      if (this.list.children[at] !== strip.element) this.list.insertBefore(strip.element, this.list.children[at] ?? null);
      strip.chart.hasWords = at === 0;
      strip.chart.hasTimes = at === all.length - 1;
    });
  }

  draw() {
    const nothing = { regions: this.shown === null ? null : [], seconds: [], mean: [], maximum: [], windowS: this.windowS };
    const { regions, seconds, mean, maximum, windowS } = this.shown ?? nothing;
    if (regions !== null) this.follow(regions);
    const ends = this.channels.flatMap((channel) => channel.seconds.slice(-1));
    const [first, last] = [seconds.at(0), seconds.at(-1) ?? (ends.length > 0 ? Math.max(...ends) : undefined)];
    const now = last === undefined ? undefined : last + this.silentS;
    /** @type {any} */
    const range = now === undefined ? undefined : windowS > 0 ? [now - windowS, now] : this.silentS > 0 ? [first, now] : undefined;
    const values = this.quantity.value === "mean" ? mean : maximum;
    this.strips.forEach((strip, row) => {
      strip.chart.marks = this.marks;
      strip.show([seconds, values[row]], range);
      const [level, brightest] = [mean[row].at(-1), maximum[row].at(-1)];
      strip.write("level", `mean ${level?.toFixed(2) ?? "–"}, brightest ${brightest?.toFixed(0) ?? "–"}`);
    });
    this.channelStrips.forEach((strip, at) => {
      const { unit, trouble, seconds: when, values: said } = this.channels[at];
      const latest = said.at(-1);
      strip.chart.marks = this.marks;
      strip.show([when, said], range ?? (first === undefined ? undefined : [first, now]));
      strip.write("growth", latest === undefined ? "–" : `${Number(latest.toPrecision(5))}${unit === null ? "" : ` ${unit}`}`);
      strip.write("period", trouble === null ? "" : "cannot be read");
      strip.figures.period.title = trouble ?? "";
    });
  }
}
