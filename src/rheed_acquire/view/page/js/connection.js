// The WebSocket: messages both ways, and another try whenever it breaks.

/**
 * @typedef {{ onState: (state: any, station: any) => void, onEvents: (events: any[]) => void, onValues: (values: any) => void,
 *   onRefused: (reason: string) => void, onGrowth: (growth: any) => void, onFrame: (header: any, parts: DataView) => Promise<void>,
 *   onTraces: (header: any, parts: DataView) => void, onConnected: (connected: boolean) => void }} Listener
 */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

export class Connection {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.pauseMs = FIRST_PAUSE_MS;
    this.open();
  }

  open() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.pauseMs = FIRST_PAUSE_MS;
      this.listener.onConnected(true);
    });
    socket.addEventListener("message", (event) => this.take(event.data));
    socket.addEventListener("close", () => {
      this.listener.onConnected(false);
      setTimeout(() => this.open(), this.pauseMs);
      this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
    });
  }

  /** @param {object} request @returns {boolean} whether it could be sent */
  send(request) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(request));
    return true;
  }

  /** @param {string | ArrayBuffer} data */
  async take(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "state") this.listener.onState(message.state, message.station);
      else if (message.type === "events") this.listener.onEvents(message.events);
      else if (message.type === "growth") this.listener.onGrowth(message);
      else if (message.type === "values") this.listener.onValues(message);
      else if (message.type === "refused") this.listener.onRefused(message.reason);
      return;
    }
    const headerBytes = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, headerBytes)));
    const parts = new DataView(data, 4 + headerBytes);
    if (header.type === "frame") {
      await this.listener.onFrame(header, parts);
      // No frame comes before this: a hidden or slow page gets fewer, and always the newest.
      requestAnimationFrame(() => this.send({ do: "drawn", what: "frame" }));
    } else {
      this.listener.onTraces(header, parts);
      requestAnimationFrame(() => this.send({ do: "drawn", what: "traces" }));
    }
  }
}
