// The newest frame in false colours, as a canvas of the frame's own size.

import { lookUpTable, SATURATED_PIXEL } from "./colour_maps.js";
import { byId } from "./page.js";

/** @param {number} width @param {number} height */
function makeCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {Blob} blob @param {number} width @param {number} height @returns {Promise<Uint32Array>} its pixels */
async function pixelsOf(blob, width, height) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const context = makeCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
}

export class Picture {
  /** @param {() => void} onPainted */
  constructor(onPainted) {
    this.onPainted = onPainted;
    this.width = this.height = 0;
    this.canvas = makeCanvas(1, 1);
    /** @type {Uint32Array | null} */
    this.gray = null;
    /** @type {Uint32Array | null} */
    this.saturated = null;
    // In steps of the picture, of which each is `level` of the camera's gray levels.
    this.darkest = 0;
    this.brightest = 255;
    this.level = 1;
    this.top = 255;
    this.controls = {
      colours: /** @type {HTMLSelectElement} */ (byId("colours")),
      black: /** @type {HTMLInputElement} */ (byId("black")),
      white: /** @type {HTMLInputElement} */ (byId("white")),
      gamma: /** @type {HTMLInputElement} */ (byId("gamma")),
      mark: /** @type {HTMLInputElement} */ (byId("mark-saturated")),
    };
    for (const control of Object.values(this.controls)) control.addEventListener("input", () => this.setLevels());
    byId("auto-levels").addEventListener("click", () => this.setLevels(this.darkest, this.brightest));
    byId("reset-levels").addEventListener("click", () => {
      this.controls.gamma.value = "1";
      this.setLevels(0, 255);
    });
    this.table = lookUpTable("gray", 0, 255, 1);
    this.setLevels();
  }

  /** @param {number} [black] @param {number} [white] */
  setLevels(black, white) {
    const { controls } = this;
    if (black !== undefined && white !== undefined) {
      controls.black.value = String(Math.min(black, 254));
      controls.white.value = String(Math.max(white, black + 1));
    }
    const [low, high, gamma] = [controls.black, controls.white, controls.gamma].map((input) => Number(input.value));
    byId("black-value").textContent = String(low * this.level);
    byId("white-value").textContent = String(high === 255 ? this.top : high * this.level);
    byId("gamma-value").textContent = String(gamma);
    this.table = lookUpTable(controls.colours.value, low, high, gamma);
    this.paint();
  }

  /** @param {any} header @param {DataView} parts */
  async show(header, parts) {
    const { width, height, picture_bytes: bytes } = header;
    const at = parts.byteOffset;
    const gray = await pixelsOf(new Blob([parts.buffer.slice(at, at + bytes)], { type: "image/jpeg" }), width, height);
    const mask = parts.buffer.slice(at + bytes);
    this.saturated =
      mask.byteLength > 0 ? await pixelsOf(new Blob([mask], { type: "image/png" }), width, height) : null;
    if (width !== this.width || height !== this.height) {
      this.canvas = makeCanvas(width, height);
      this.width = width;
      this.height = height;
    }
    this.gray = gray;
    this.darkest = Math.min(255, Math.floor(header.darkest / header.level));
    this.brightest = Math.min(255, Math.ceil(header.brightest / header.level));
    if (header.level !== this.level || header.top !== this.top) {
      this.level = header.level;
      this.top = header.top;
      this.setLevels();
    }
    this.paint();
  }

  paint() {
    const { gray, table } = this;
    const context = this.canvas.getContext("2d");
    if (gray === null || context === null) return;
    const painted = new Uint32Array(gray.length);
    for (let at = 0; at < gray.length; at += 1) painted[at] = table[gray[at] & 255];
    if (this.saturated !== null && this.controls.mark.checked) {
      for (let at = 0; at < gray.length; at += 1) if (this.saturated[at] & 255) painted[at] = SATURATED_PIXEL;
    }
    context.putImageData(new ImageData(new Uint8ClampedArray(painted.buffer), this.width, this.height), 0, 0);
    this.onPainted();
  }

  /** @returns {{x: number, y: number} | null} the middle of the brightest spot, smoothed over 5 x 5 pixels */
  brightestSpot() {
    const { gray, width, height } = this;
    if (gray === null) return null;
    let best = -1;
    let spot = null;
    for (let y = 2; y < height - 2; y += 1) {
      for (let x = 2; x < width - 2; x += 1) {
        if ((gray[y * width + x] & 255) < this.brightest * 0.7) continue;
        let sum = 0;
        for (let dy = -2; dy <= 2; dy += 1) {
          for (let dx = -2; dx <= 2; dx += 1) sum += gray[(y + dy) * width + x + dx] & 255;
        }
        if (sum > best) {
          best = sum;
          spot = { x, y };
        }
      }
    }
    return spot;
  }
}
