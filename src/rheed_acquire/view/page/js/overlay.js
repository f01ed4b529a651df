// What lies over the picture: regions, the line of the profile, the crosshair.

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
      for (const region of this.regions) drawn.push(...this.regionMarks(region));
      if (this.line !== null) drawn.push(...this.lineMarks(this.line));
    }
    this.overlay.replaceChildren(...drawn);
  }

  /** @param {Region} region @returns {SVGElement[]} */
  regionMarks(region) {
    const from = this.viewport.toStage(region.x, region.y);
    const to = this.viewport.toStage(region.x + region.width, region.y + region.height);
    const box = { x: from.x, y: from.y, width: to.x - from.x, height: to.y - from.y };
    const label = svg("text", { x: from.x, y: from.y > 18 ? from.y - 6 : to.y + 14, fill: region.color });
    label.textContent = region.name;
    return [
      svg("rect", { class: "halo", ...box }),
      svg("rect", { class: "region", stroke: region.color, ...box }),
      svg("rect", { fill: region.color, x: to.x - 4, y: to.y - 4, width: 8, height: 8 }),
      label,
    ];
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
