// One plot, in the page's colours and as large as its place.

import { clockTime } from "./page.js";

/** @typedef {{ time_unix_ms: number, text: string }} Mark */

/** @type {any} */
const { uPlot } = /** @type {any} */ (window);

const AXIS_PX = 24; // of the axis of time, below a place of its own
const RIGHT_PX = 12; // beside the plot
const HALF_TIME_PX = 28; // of a time of day as it is written
const MOST_MARKS = 200;

/** @param {string} name of a CSS variable */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A region's colour as a line on the page's ground: darker where that is light. @param {string} hex */
export function lineColour(hex) {
  if (document.documentElement.dataset.theme !== "light") return hex;
  const parts = [1, 3, 5].map((at) => Math.round(Number.parseInt(hex.slice(at, at + 2), 16) * 0.6));
  return `rgb(${parts.join(" ")})`;
}

/** Local time of the ticks, with fractions where they are closer than a second; none that would be cut. @param {any} plot @param {number[]} seconds */
const times = (plot, seconds) => {
  const fine = seconds.length > 1 && seconds[1] - seconds[0] < 1;
  const last = plot.over.clientWidth + RIGHT_PX - HALF_TIME_PX * (fine ? 1.5 : 1);
  return seconds.map((one) => (plot.valToPos(one, "x") > last ? "" : clockTime(1000 * one, fine)));
};

const axis = () => ({
  stroke: () => colour("--muted"),
  grid: { stroke: () => colour("--line"), width: 1 },
  ticks: { stroke: () => colour("--line"), width: 1 },
  font: "12px system-ui, sans-serif",
});

export class Chart {
  /**
   * @param {HTMLElement} place
   * @param {{ label: string, time?: boolean, xLabel?: string, sync?: string, yRange?: [number, number] }} options
   */
  constructor(place, options) {
    this.place = place;
    this.options = options;
    /** @type {any} */
    this.plot = null;
    this.key = "";
    this.hasTimes = false;
    /** @type {readonly Mark[]} */
    this.marks = [];
    this.hasWords = false;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", options.label);
    this.observer = new ResizeObserver(() => this.plot?.setSize(this.size));
    this.observer.observe(place);
    this.recolour = () => this.plot?.redraw(false);
    document.addEventListener("themechange", this.recolour);
  }

  destroy() {
    this.observer.disconnect();
    document.removeEventListener("themechange", this.recolour);
    this.plot?.destroy();
  }

  get size() {
    const { width, height } = this.place.getBoundingClientRect();
    return { width: Math.floor(width), height: Math.max(Math.floor(height) + (this.hasTimes ? AXIS_PX : 0), 1) };
  }

  /**
   * @param {{ label: string, color: string }[]} lines
   * @param {any[]} data x, then one series of values or nulls for each line
   * @param {[number, number]} [xRange]
   */
  show(lines, data, xRange) {
    const key = JSON.stringify([lines, this.hasTimes]);
    if (this.plot === null || key !== this.key) this.make(lines, key);
    this.xRange = xRange;
    this.plot.setData(data);
  }

  /** @param {{ label: string, color: string }[]} lines @param {string} key */
  make(lines, key) {
    this.plot?.destroy();
    this.key = key;
    const { time = false, xLabel, sync, yRange } = this.options;
    const labelled = time ? (this.hasTimes ? { values: times, space: 80, size: AXIS_PX } : { values: () => [], size: 0 }) : { size: 28 };
    this.plot = new uPlot(
      {
        ...this.size,
        padding: [8, RIGHT_PX, time && !this.hasTimes ? 4 : null, null],
        scales: {
          x: { time, range: (/** @type {any} */ _, /** @type {number} */ least, /** @type {number} */ most) => this.xRange ?? [least, most] },
          y: yRange === undefined ? {} : { range: yRange },
        },
        cursor: { sync: sync === undefined ? undefined : { key: sync }, drag: { x: false, y: false }, points: { size: 6 } },
        axes: [
          {
            ...axis(),
            ...labelled,
            ...(xLabel === undefined ? {} : { label: xLabel, labelSize: 20, labelFont: "12px system-ui, sans-serif" }),
          },
          { ...axis(), size: 56, space: 28 },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: () => lineColour(line.color),
            width: 1.5,
            points: { show: false },
          })),
        ],
        hooks: { draw: [() => this.placeMarks()] },
      },
      [[], ...lines.map(() => [])],
      this.place,
    );
  }

  /** A line for each mark that is in sight, and words above those that have room for them, the newest first. */
  placeMarks() {
    const over = /** @type {HTMLElement} */ (this.plot.over);
    const { min, max } = this.plot.scales.x;
    const width = over.clientWidth;
    const seen = this.marks.filter(({ time_unix_ms: ms }) => ms >= 1000 * min && ms <= 1000 * max).slice(-MOST_MARKS);
    const lines = elements(over, "mark-line", seen.length);
    const words = elements(over, "mark-label", this.hasWords ? seen.length : 0);
    let free = width;
    for (let at = seen.length - 1; at >= 0; at -= 1) {
      const x = Math.round(this.plot.valToPos(seen[at].time_unix_ms / 1000, "x"));
      lines[at].style.left = `${x}px`;
      if (words.length === 0) continue;
      const word = words[at];
      if (word.textContent !== seen[at].text) word.textContent = seen[at].text;
      word.hidden = false;
      const left = Math.min(x, width - word.offsetWidth);
      word.hidden = left + word.offsetWidth > free || left < 0;
      word.style.left = `${left}px`;
      if (!word.hidden) free = left;
    }
  }
}

/** @param {HTMLElement} parent @param {string} name a class @param {number} count @returns {HTMLElement[]} so many children of it */
function elements(parent, name, count) {
  const found = /** @type {HTMLElement[]} */ ([...parent.getElementsByClassName(name)]);
  while (found.length > count) found.pop()?.remove();
  while (found.length < count) {
    const made = document.createElement("div");
    made.className = name;
    parent.append(made);
    found.push(made);
  }
  return found;
}
