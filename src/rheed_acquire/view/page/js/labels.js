// Where the names of regions stand, so that none lies on another.

/** @typedef {{ x: number, y: number }} Pixel */
/** @typedef {{ from: Pixel, to: Pixel, width: number }} Labelled A box on the stage, and how wide its name is. */

const ABOVE = 6; // from the box to the foot of the letters
const BELOW = 14;
const RISE = 11; // of the letters above their foot
const LINE = 14;
const MOST_LINES = 6;

const pen = document.createElement("canvas").getContext("2d");

/** How wide a name is in the overlay's font, in pixels. @param {string} name */
export function widthOf(name) {
  if (pen === null) return 0;
  pen.font = "600 12px system-ui, sans-serif";
  return pen.measureText(name).width + 3; // with the halo around it
}

/**
 * The left foot of each name: over its box or under it, flush with either side, else in a line further off, else within.
 *
 * @param {readonly Labelled[]} boxes @param {{ width: number, height: number }} stage @returns {Pixel[]}
 */
export function placesOf(boxes, stage) {
  /** @type {(Pixel & { width: number })[]} */
  const taken = [];
  for (const box of boxes) {
    const places = candidates(box, stage);
    const free = places.find((place) => !taken.some((other) => touch({ ...place, width: box.width }, other)));
    const at = free ?? places[0] ?? box.from;
    taken.push({ ...at, width: box.width });
  }
  return taken.map(({ x, y }) => ({ x, y }));
}

/** @param {Labelled} box @param {{ width: number, height: number }} stage @returns {Pixel[]} */
function candidates({ from, to, width }, stage) {
  const within = (/** @type {number} */ x) => Math.max(0, Math.min(x, stage.width - width));
  const [left, right] = [within(from.x), within(to.x - width)];
  /** @type {Pixel[]} */
  const found = [];
  const add = (/** @type {number} */ y) => {
    if (y - RISE >= 0 && y <= stage.height) found.push({ x: left, y }, { x: right, y });
  };
  for (let line = 0; line < MOST_LINES; line += 1) {
    add(from.y - ABOVE - line * LINE);
    add(to.y + BELOW + line * LINE);
  }
  // Within a box that leaves no room around it.
  for (let line = 0; line < MOST_LINES; line += 1) add(from.y + BELOW + line * LINE);
  return found;
}

/** @param {Pixel & { width: number }} one @param {Pixel & { width: number }} other */
function touch(one, other) {
  return one.x < other.x + other.width && other.x < one.x + one.width && Math.abs(one.y - other.y) < LINE;
}
