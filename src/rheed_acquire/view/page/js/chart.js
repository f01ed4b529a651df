// One plot, in the page's colours and as wide as its place.

import { clockTime } from "./page.js";

/** @type {any} */
const { uPlot } = /** @type {any} */ (window);

/** @param {string} name of a CSS variable */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A region's colour as a line on the page's ground: darker where that is light. @param {string} hex */
export function lineColour(hex) {
  if (document.documentElement.dataset.theme !== "light") return hex;
  const parts = [1, 3, 5].map((at) => Math.round(Number.parseInt(hex.slice(at, at + 2), 16) * 0.6));
  return `rgb(${parts.join(" ")})`;
}

/** Local time of the ticks, with fractions where they are closer than a second. @param {any} _ @param {number[]} seconds */
const times = (_, seconds) => {
  const fine = seconds.length > 1 && seconds[1] - seconds[0] < 1;
  return seconds.map((one) => clockTime(1000 * one, fine));
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
   * @param {{ height: number, time: boolean, label: string, xLabel?: string, sync?: string,
   *   yRange?: [number, number] }} options
   */
  constructor(place, options) {
    this.place = place;
    this.options = options;
    /** @type {any} */
    this.plot = null;
    this.key = "";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", options.label);
    new ResizeObserver(() => {
      if (this.plot !== null) this.plot.setSize({ width: place.clientWidth, height: options.height });
    }).observe(place);
    document.addEventListener("themechange", () => this.plot?.redraw(false));
  }

  /**
   * @param {{ label: string, color: string }[]} lines
   * @param {any[]} data x, then one series of values or nulls for each line
   * @param {[number, number]} [xRange]
   */
  show(lines, data, xRange) {
    const key = JSON.stringify(lines);
    if (this.plot === null || key !== this.key) this.make(lines, key);
    this.xRange = xRange;
    this.plot.setData(data);
  }

  /** @param {{ label: string, color: string }[]} lines @param {string} key */
  make(lines, key) {
    this.plot?.destroy();
    this.key = key;
    const { height, time, xLabel, sync, yRange } = this.options;
    this.plot = new uPlot(
      {
        width: this.place.clientWidth,
        height,
        padding: [8, 12, null, null],
        scales: {
          x: { time, range: (/** @type {any} */ _, /** @type {number} */ least, /** @type {number} */ most) => this.xRange ?? [least, most] },
          y: yRange === undefined ? {} : { range: yRange },
        },
        cursor: { sync: sync === undefined ? undefined : { key: sync }, drag: { x: false, y: false }, points: { size: 6 } },
        axes: [
          {
            ...axis(),
            ...(time ? { values: times, space: 80, size: 28 } : { size: 28 }),
            ...(xLabel === undefined ? {} : { label: xLabel, labelSize: 20, labelFont: "12px system-ui, sans-serif" }),
          },
          { ...axis(), size: 46 },
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
      },
      [[], ...lines.map(() => [])],
      this.place,
    );
  }
}
