// What has happened, newest at the bottom.

import { byId, clockTime } from "./page.js";

const MOST = 500;

export class EventLog {
  constructor() {
    this.list = byId("events");
    this.frame = byId("log");
  }

  clear() {
    this.list.replaceChildren();
  }

  /** @param {{ utc_ms: number, level: string, text: string }[]} events */
  add(events) {
    const { frame } = this;
    const atEnd = frame.scrollTop + frame.clientHeight >= frame.scrollHeight - 4;
    for (const event of events) {
      const [row, time, text] = [document.createElement("li"), document.createElement("time"), document.createElement("span")];
      row.className = event.level;
      time.textContent = clockTime(event.utc_ms);
      time.dateTime = new Date(event.utc_ms).toISOString();
      text.textContent = event.level === "info" ? event.text : `${event.level}: ${event.text}`;
      row.append(time, text);
      this.list.append(row);
    }
    while (this.list.children.length > MOST) this.list.firstElementChild?.remove();
    if (atEnd) frame.scrollTop = frame.scrollHeight;
  }
}
