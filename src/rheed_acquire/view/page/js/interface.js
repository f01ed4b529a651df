// The station's interface, which the page uses as any other client does.

const TRIES = 2;

/** A request that is refused; the message says why. */
export class RefusedError extends Error {}

/** @returns {string} a name for one wish, so that it is not granted twice */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {"GET" | "POST"} method
 * @param {string} path below /api/v1
 * @param {object} [body]
 * @returns {Promise<any>} what was answered
 */
export async function ask(method, path, body) {
  const key = newKey();
  for (let left = TRIES - 1; ; left -= 1) {
    let answer;
    try {
      answer = await fetch(`/api/v1${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json", "Idempotency-Key": key } }),
      });
    } catch {
      if (left > 0) continue;
      throw new RefusedError("There is no connection; whether it was done is not known.");
    }
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    throw new RefusedError(told.error ?? answer.statusText);
  }
}
