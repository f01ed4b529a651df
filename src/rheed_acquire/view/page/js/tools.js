// Pointer and keys on the picture: pan, draw and move regions, draw and move the line, the crosshair.

import { clamp } from "./page.js";

/** @typedef {import("./overlay.js").Pixel} Pixel */
/** @typedef {import("./overlay.js").Line} Line */
/** @typedef {import("./regions.js").Region} Region */
/** A drag that is going on: what happens on the way, and at its end.
 * @typedef {{ to: (pixel: Pixel) => void, end: (moved: boolean) => void }} Drag */

const REACH = 12; // stage pixels within which a handle is caught
const LEAST_DRAG = 4;

export class Tools {
  /**
   * @param {HTMLElement} stage
   * @param {import("./viewport.js").Viewport} viewport
   * @param {import("./overlay.js").Overlay} overlay
   * @param {import("./regions.js").RegionList} regions
   * @param {{ onLine: (line: Line, settled: boolean) => void, onCrosshair: (pixel: Pixel | null) => void }} listener
   */
  constructor(stage, viewport, overlay, regions, listener) {
    this.stage = stage;
    this.viewport = viewport;
    this.overlay = overlay;
    this.regions = regions;
    this.listener = listener;
    this.tool = "pan";
    /** @type {Map<number, PointerEvent>} */
    this.pointers = new Map();
    /** @type {Drag | null} */
    this.drag = null;
    /** @type {Drag | null} a shape begun with Enter */
    this.keyed = null;
    this.buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-tool]"));
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.choose(button.dataset.tool ?? "pan"));
    }
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event));
    stage.addEventListener("pointerleave", () => this.pointers.size === 0 && this.aim(null));
    stage.addEventListener("keydown", (event) => this.key(event));
    this.choose("pan");
  }

  /** @param {string} tool */
  choose(tool) {
    this.tool = this.stage.dataset.tool = tool;
    this.keyed = null;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }

  /** @param {Pixel | null} pixel */
  aim(pixel) {
    this.overlay.crosshair = pixel;
    this.overlay.draw();
    this.listener.onCrosshair(pixel);
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (this.viewport.frameWidth === 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.begun = { x: event.clientX, y: event.clientY };
    this.moved = false;
    if (this.pointers.size > 1) {
      this.drag = null;
      return;
    }
    const place = this.viewport.toFrame(event);
    if (event.button === 1 || this.tool === "pan") this.drag = null;
    else if (this.tool === "region") this.drag = this.regionDrag(place);
    else this.drag = this.lineDrag(place);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const place = this.viewport.toFrame(event);
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) {
      this.aim(this.viewport.holds(place) ? this.viewport.pixelAt(place) : null);
      return;
    }
    this.moved ||= Math.hypot(event.clientX - this.begun.x, event.clientY - this.begun.y) >= LEAST_DRAG;
    if (this.pointers.size > 1) this.pinch(before, event);
    else if (this.drag === null) this.viewport.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    else if (this.moved) this.drag.to(this.viewport.pixelAt(place));
    this.pointers.set(event.pointerId, event);
    this.aim(this.viewport.pixelAt(place));
  }

  /** @param {PointerEvent} before @param {PointerEvent} now */
  pinch(before, now) {
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== now.pointerId);
    if (other === undefined) return;
    const apart = (/** @type {PointerEvent} */ one) =>
      Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const box = this.stage.getBoundingClientRect();
    const middle = { x: (now.clientX + other.clientX) / 2 - box.left, y: (now.clientY + other.clientY) / 2 - box.top };
    this.viewport.pan((now.clientX - before.clientX) / 2, (now.clientY - before.clientY) / 2);
    this.viewport.zoom(apart(now) / Math.max(apart(before), 1), middle.x, middle.y);
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { drag } = this;
    this.drag = null;
    drag?.end(this.moved ?? false);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { viewport } = this;
    if (viewport.frameWidth === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 10 : 1;
    const steps = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const arrow = steps[/** @type {keyof steps} */ (event.key)];
    const from = this.overlay.crosshair ?? { x: viewport.frameWidth >> 1, y: viewport.frameHeight >> 1 };
    if (arrow !== undefined) {
      const pixel = {
        x: clamp(from.x + arrow[0], 0, viewport.frameWidth - 1),
        y: clamp(from.y + arrow[1], 0, viewport.frameHeight - 1),
      };
      viewport.reveal(pixel);
      this.aim(pixel);
      this.keyed?.to(pixel);
    } else if (event.key === "Enter" && this.tool !== "pan") {
      if (this.keyed === null) {
        this.aim(from);
        const place = { x: from.x + 0.5, y: from.y + 0.5 };
        this.keyed = this.tool === "region" ? this.newRegion(place) : this.newLine(place);
      } else {
        const { keyed } = this;
        this.keyed = null;
        keyed.end(true);
      }
    } else if (event.key === "Escape" && this.keyed !== null) {
      const { keyed } = this;
      this.keyed = null;
      keyed.end(false);
    } else if (event.key === "+" || event.key === "=") viewport.zoom(1.25);
    else if (event.key === "-") viewport.zoom(0.8);
    else if (event.key === "0") viewport.fit();
    else return;
    event.preventDefault();
  }

  /** @param {number} x @param {number} y of the frame @param {Pixel} place */
  near(x, y, place) {
    return Math.hypot(x - place.x, y - place.y) * this.viewport.scale <= REACH;
  }

  /** @param {Pixel} place with fractions @returns {Drag} */
  regionDrag(place) {
    for (const [index, region] of [...this.regions.list.entries()].reverse()) {
      if (this.near(region.x + region.width, region.y + region.height, place)) {
        return this.changeRegion(index, (pixel) => ({
          ...region,
          width: Math.max(1, pixel.x - region.x + 1),
          height: Math.max(1, pixel.y - region.y + 1),
        }));
      }
      const inside =
        place.x >= region.x && place.x < region.x + region.width && place.y >= region.y && place.y < region.y + region.height;
      if (inside) {
        const from = this.viewport.pixelAt(place);
        return this.changeRegion(index, (pixel) => ({
          ...region,
          x: clamp(region.x + pixel.x - from.x, 0, Math.max(this.viewport.frameWidth - region.width, 0)),
          y: clamp(region.y + pixel.y - from.y, 0, Math.max(this.viewport.frameHeight - region.height, 0)),
        }));
      }
    }
    return this.newRegion(place);
  }

  /** @param {number} index @param {(pixel: Pixel) => Region} changed @returns {Drag} */
  changeRegion(index, changed) {
    return {
      to: (pixel) => this.regions.preview(index, changed(pixel)),
      end: (moved) => this.regions.settle(moved),
    };
  }

  /** @param {Pixel} place @returns {Drag} */
  newRegion(place) {
    const from = this.viewport.pixelAt(place);
    const index = this.regions.list.length;
    const region = this.regions.fresh({ x: from.x, y: from.y, width: 1, height: 1 });
    return {
      to: (pixel) =>
        this.regions.preview(index, {
          ...region,
          x: Math.min(from.x, pixel.x),
          y: Math.min(from.y, pixel.y),
          width: Math.abs(pixel.x - from.x) + 1,
          height: Math.abs(pixel.y - from.y) + 1,
        }),
      end: (moved) => this.regions.settle(moved),
    };
  }

  /** @param {Pixel} place @returns {Drag} */
  lineDrag(place) {
    const { line } = this.overlay;
    if (line !== null) {
      const [x0, y0, x1, y1] = line;
      if (this.near(x0 + 0.5, y0 + 0.5, place)) return this.changeLine((pixel) => [pixel.x, pixel.y, x1, y1]);
      if (this.near(x1 + 0.5, y1 + 0.5, place)) return this.changeLine((pixel) => [x0, y0, pixel.x, pixel.y]);
      if (this.nearLine(line, place)) {
        const from = this.viewport.pixelAt(place);
        const { frameWidth, frameHeight } = this.viewport;
        return this.changeLine((pixel) => {
          const dx = clamp(pixel.x - from.x, -Math.min(x0, x1), frameWidth - 1 - Math.max(x0, x1));
          const dy = clamp(pixel.y - from.y, -Math.min(y0, y1), frameHeight - 1 - Math.max(y0, y1));
          return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
        });
      }
    }
    return this.newLine(place);
  }

  /** @param {Line} line @param {Pixel} place */
  nearLine([x0, y0, x1, y1], place) {
    const [dx, dy, px, py] = [x1 - x0, y1 - y0, place.x - 0.5 - x0, place.y - 0.5 - y0];
    const share = clamp((px * dx + py * dy) / Math.max(dx * dx + dy * dy, 1), 0, 1);
    return this.near(x0 + 0.5 + share * dx, y0 + 0.5 + share * dy, place);
  }

  /** @param {(pixel: Pixel) => Line} changed @returns {Drag} */
  changeLine(changed) {
    const before = this.overlay.line;
    return {
      to: (pixel) => this.listener.onLine(changed(pixel), false),
      end: (moved) => {
        const line = moved ? this.overlay.line : before;
        if (line !== null) this.listener.onLine(line, true);
      },
    };
  }

  /** @param {Pixel} place @returns {Drag} */
  newLine(place) {
    const from = this.viewport.pixelAt(place);
    return this.changeLine((pixel) => [from.x, from.y, pixel.x, pixel.y]);
  }
}
