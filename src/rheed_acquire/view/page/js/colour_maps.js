// False colours: 256 colours for the 256 gray levels.

/** Colours between which a map is linear in sRGB. */
const STOPS = {
  gray: "000000 ffffff",
  // What the eye sees on a P43 or P20 phosphor screen, up to where it dazzles.
  green: "000000 00260c 0a6b2a 2fc25c 8dffb0 f2fff6",
  // Viridis and inferno of Smith, van der Walt and Firing (2015), given to the public domain (CC0): every 16th colour.
  viridis:
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1f9f88 27ad81 3dbc74 5cc863 81d34d aadc32 d5e21a fde725",
  inferno:
    "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d04545 e35933 f1711f f98c0a fcaa0f f9c932 f2e865 fcffa4",
  jet: "000080 0000ff 0080ff 00ffff 80ff80 ffff00 ff8000 ff0000 800000",
};

/** What marks a saturated pixel: a colour that none of the maps has. */
const SATURATED = [255, 0, 255];

/** @param {number[]} colour @returns {number} as a canvas keeps it, on a little-endian machine */
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

export const SATURATED_PIXEL = packed(SATURATED);

/**
 * @param {string} name
 * @param {number} black gray level that is shown as the first colour
 * @param {number} white gray level that is shown as the last
 * @param {number} gamma below 1, dark levels become brighter
 * @returns {Uint32Array} a pixel for each gray level
 */
export function lookUpTable(name, black, white, gamma) {
  const stops = (STOPS[/** @type {keyof STOPS} */ (name)] ?? STOPS.gray)
    .split(" ")
    .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
  const table = new Uint32Array(256);
  for (let level = 0; level < 256; level += 1) {
    const share = Math.min(Math.max((level - black) / Math.max(white - black, 1), 0), 1) ** gamma;
    const place = share * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    const colour = stops[below].map((from, at) => Math.round(from + (stops[below + 1][at] - from) * (place - below)));
    table[level] = packed(colour);
  }
  return table;
}
