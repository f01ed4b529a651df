// What lies over the picture: regions, the line of the profile, the crosshair.

import { placesOf, widthOf } from "./labels.js";
import { svg } from "./page.js";

/** @typedef {import("./regions.js").Region} Region */
/** @typedef {{x: number, y: number}} Pixel */
/** @typedef {[number, number, number, number]} Line */

export class Overlay {
  /** @param {SVGElement} overlay @param {import("./viewport.js").Viewport} viewport */
  constructor(overlay, viewport) {
    this.overlay = overlay;
    this.viewport = viewport;
    /** @type {readonly Region[]} */
    this.regions = [];
    /** @type {Line | null} */
    this.line = null;
    /** @type {Pixel | null} */
    this.crosshair = null;
  }

  draw() {
    const { viewport } = this;
    /** @type {SVGElement[]} */
    const drawn = [];
    if (viewport.frameWidth > 0) {
      if (this.crosshair !== null) {
        const at = viewport.toStage(this.crosshair.x + 0.5, this.crosshair.y + 0.5);
        drawn.push(svg("line", { class: "crosshair", x1: at.x, x2: at.x, y1: 0, y2: viewport.height }));
        drawn.push(svg("line", { class: "crosshair", y1: at.y, y2: at.y, x1: 0, x2: viewport.width }));
      }
      drawn.push(...this.regionMarks());
      if (this.line !== null) drawn.push(...this.lineMarks(this.line));
    }
    this.overlay.replaceChildren(...drawn);
  }

  /** @returns {SVGElement[]} */
  regionMarks() {
    const { viewport } = this;
    const boxes = this.regions.map((region) => ({
      from: viewport.toStage(region.x, region.y),
      to: viewport.toStage(region.x + region.width, region.y + region.height),
      width: widthOf(region.name),
    }));
    const places = placesOf(boxes, viewport);
    const rects = this.regions.flatMap(({ color }, at) => {
      const { from, to } = boxes[at];
      const box = { x: from.x, y: from.y, width: to.x - from.x, height: to.y - from.y };
      return [
        svg("rect", { class: "halo", ...box }),
        svg("rect", { class: "region", stroke: color, ...box }),
        svg("rect", { fill: color, x: to.x - 4, y: to.y - 4, width: 8, height: 8 }),
      ];
    });
    const labels = this.regions.map(({ name, color }, at) => {
      const label = svg("text", { ...places[at], fill: color });
      label.textContent = name;
      return label;
    });
    return [...rects, ...labels]; // no box lies on a name
  }

  /** @param {Line} line @returns {SVGElement[]} */
  lineMarks([x0, y0, x1, y1]) {
    const from = this.viewport.toStage(x0 + 0.5, y0 + 0.5);
    const to = this.viewport.toStage(x1 + 0.5, y1 + 0.5);
    const ends = { x1: from.x, y1: from.y, x2: to.x, y2: to.y };
    return [
      svg("line", { class: "line-halo", ...ends }),
      svg("line", { class: "line", ...ends }),
      svg("circle", { class: "end", cx: from.x, cy: from.y, r: 5 }),
      svg("rect", { class: "end", x: to.x - 4.5, y: to.y - 4.5, width: 9, height: 9 }),
    ];
  }
}
