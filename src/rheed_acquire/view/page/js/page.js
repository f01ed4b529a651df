// The page's elements by their id, and how figures are written.

/**
 * @template {Element} T
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element ${id}`);
  return /** @type {any} */ (element);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElement}
 */
export function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** @param {number} value @param {number} least @param {number} most */
export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

/** @param {number} ms since 1970, UTC @param {boolean} [fine] with milliseconds */
export function clockTime(ms, fine = false) {
  const options = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return new Date(ms).toLocaleTimeString("en-GB", fine ? { ...options, fractionalSecondDigits: 3 } : options);
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toPrecision(3).replace(/\.?0+$/, (zeros) => (zeros.startsWith(".") ? "" : zeros))} ${units[unit]}`;
}

const FINEST = 1e-4;

/**
 * A value and its uncertainty, which is written as `FINEST` where it is less, to the first significant digit of the latter (the first two where it begins with 1).
 * @param {number} value
 * @param {number} exactUncertainty
 */
export function withUncertainty(value, exactUncertainty) {
  const uncertainty = Math.max(exactUncertainty, FINEST);
  const exponent = Math.floor(Math.log10(uncertainty));
  const decimals = clamp(-exponent + (uncertainty / 10 ** exponent < 2 ? 1 : 0), 0, 4);
  return `${value.toFixed(decimals)} ± ${uncertainty.toFixed(decimals)}`;
}
