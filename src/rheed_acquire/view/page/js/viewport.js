// Which part of the frame the stage shows: zoom and pan.

import { byId, clamp } from "./page.js";

const MOST_ZOOM = 40;
const STEP = 1.25;

export class Viewport {
  /** @param {HTMLElement} stage @param {() => void} onChanged */
  constructor(stage, onChanged) {
    this.stage = stage;
    this.onChanged = onChanged;
    this.frameWidth = this.frameHeight = 0;
    this.scale = 1; // stage pixels for one of the frame
    this.left = this.top = 0; // of the frame, in stage pixels
    this.fits = true;
    new ResizeObserver(() => this.resized()).observe(stage);
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const box = stage.getBoundingClientRect();
        this.zoom(STEP ** -Math.sign(event.deltaY), event.clientX - box.left, event.clientY - box.top);
      },
      { passive: false },
    );
    byId("zoom-in").addEventListener("click", () => this.zoom(STEP));
    byId("zoom-out").addEventListener("click", () => this.zoom(1 / STEP));
    byId("zoom-fit").addEventListener("click", () => this.fit());
  }

  get width() {
    return this.stage.clientWidth;
  }

  get height() {
    return this.stage.clientHeight;
  }

  get fitScale() {
    return Math.min(this.width / this.frameWidth, this.height / this.frameHeight);
  }

  /** @param {number} width @param {number} height */
  setFrame(width, height) {
    if (width === this.frameWidth && height === this.frameHeight) return;
    this.frameWidth = width;
    this.frameHeight = height;
    this.stage.style.aspectRatio = `${width} / ${height}`;
    this.fit();
  }

  resized() {
    if (this.fits) this.fit();
    else this.settle();
  }

  fit() {
    if (this.frameWidth === 0) return;
    this.fits = true;
    this.scale = this.fitScale;
    this.settle();
  }

  /** @param {number} factor @param {number} [x] @param {number} [y] the place on the stage that stays */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    if (this.frameWidth === 0) return;
    const scale = clamp(this.scale * factor, this.fitScale, Math.max(MOST_ZOOM, this.fitScale));
    this.fits = scale <= this.fitScale * 1.001;
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.settle();
  }

  /** @param {number} dx @param {number} dy in stage pixels */
  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.settle();
  }

  /** Keep the frame on the stage, in its middle where it is smaller. */
  settle() {
    const room = [this.width - this.frameWidth * this.scale, this.height - this.frameHeight * this.scale];
    this.left = room[0] >= 0 ? room[0] / 2 : clamp(this.left, room[0], 0);
    this.top = room[1] >= 0 ? room[1] / 2 : clamp(this.top, room[1], 0);
    byId("zoom").textContent = this.fits ? "fit" : `${Math.round(this.scale * 100)} %`;
    this.onChanged();
  }

  /** @param {{x: number, y: number}} pixel moved into view */
  reveal(pixel) {
    const at = this.toStage(pixel.x + 0.5, pixel.y + 0.5);
    const margin = 20;
    this.pan(
      Math.max(margin - at.x, 0) + Math.min(this.width - margin - at.x, 0),
      Math.max(margin - at.y, 0) + Math.min(this.height - margin - at.y, 0),
    );
  }

  /** @param {number} x @param {number} y of the frame */
  toStage(x, y) {
    return { x: this.left + x * this.scale, y: this.top + y * this.scale };
  }

  /** @param {PointerEvent} event @returns {{x: number, y: number}} the place in the frame, in pixels, with fractions */
  toFrame(event) {
    const box = this.stage.getBoundingClientRect();
    return {
      x: (event.clientX - box.left - this.left) / this.scale,
      y: (event.clientY - box.top - this.top) / this.scale,
    };
  }

  /** @param {{x: number, y: number}} place @returns {{x: number, y: number}} the pixel there, or the nearest one */
  pixelAt(place) {
    return {
      x: clamp(Math.floor(place.x), 0, this.frameWidth - 1),
      y: clamp(Math.floor(place.y), 0, this.frameHeight - 1),
    };
  }

  /** @param {{x: number, y: number}} place */
  holds(place) {
    return place.x >= 0 && place.y >= 0 && place.x < this.frameWidth && place.y < this.frameHeight;
  }
}
