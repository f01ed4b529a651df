// What other instruments say, asked of the station every now and then.

import { ask } from "./interface.js";

/** @typedef {{ name: string, unit: string | null, trouble: string | null, seconds: number[], values: number[] }} Channel */

const ASK_MS = 2000;
const ASK_WITHOUT_MS = 10_000; // while there are none
const LATE_MS = 5000; // readings may come in another order than that of their times
const KEPT = 4096; // of each channel

export class Channels {
  /** @param {(channels: readonly Channel[]) => void} onShown */
  constructor(onShown) {
    this.onShown = onShown;
    /** @type {Channel[]} */
    this.list = [];
    this.look();
  }

  async look() {
    if (!document.hidden) {
      try {
        await this.update();
      } catch {
        // The next time; that there is no connection is said elsewhere.
      }
    }
    setTimeout(() => this.look(), this.list.length > 0 ? ASK_MS : ASK_WITHOUT_MS);
  }

  async update() {
    const newest = Math.max(0, ...this.list.map(({ seconds }) => 1000 * (seconds.at(-1) ?? 0)));
    const since = Math.max(0, newest - LATE_MS);
    const { channels } = await ask("GET", `/channels?since=${since}`);
    this.list = channels.map((/** @type {any} */ told) => {
      const before = this.list.find(({ name }) => name === told.name);
      const kept = before?.seconds.filter((second) => 1000 * second <= since).length ?? 0;
      const order = told.time_unix_ms.map((/** @type {number} */ _, /** @type {number} */ at) => at);
      order.sort((/** @type {number} */ a, /** @type {number} */ b) => told.time_unix_ms[a] - told.time_unix_ms[b]);
      return {
        name: told.name,
        unit: told.unit,
        trouble: told.trouble,
        seconds: [...(before?.seconds.slice(0, kept) ?? []), ...order.map((/** @type {number} */ at) => told.time_unix_ms[at] / 1000)].slice(-KEPT),
        values: [...(before?.values.slice(0, kept) ?? []), ...order.map((/** @type {number} */ at) => told.value[at])].slice(-KEPT),
      };
    });
    if (this.list.length > 0) this.onShown(this.list);
  }
}
