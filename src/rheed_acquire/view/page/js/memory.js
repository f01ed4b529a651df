// What this browser remembers of the page's use; where storage is forbidden, for as long as the page is open.

const PREFIX = "rheed-view-";
/** @type {Map<string, string>} */
const meanwhile = new Map();

/** @template T @param {string} name @param {T} otherwise @returns {T} */
export function recall(name, otherwise) {
  try {
    const text = meanwhile.get(name) ?? localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** @param {string} name @param {unknown} value */
export function remember(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch {
    meanwhile.set(name, text);
  }
}
