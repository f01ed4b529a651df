// The figures of the run, and the commands to begin and end one.

import { byId, duration, size } from "./page.js";

/** @param {any} value @param {(known: number) => string} write */
const orDash = (value, write) => (typeof value === "number" ? write(value) : "–");

/** Name, text, and whether it is alarming. @param {any} s the state @returns {[string, string, boolean?][]} */
function figuresOf(s) {
  const rate = (/** @type {any} */ value) => orDash(value, (fps) => fps.toFixed(fps < 100 ? 2 : 1));
  return [
    ["Frames", orDash(s.frames, (count) => count.toLocaleString("en"))],
    ["Frames/s, declared", rate(s.fps_asked)],
    ["Frames/s, measured", rate(s.fps_measured)],
    ["Gaps", orDash(s.gaps, (count) => (s.missing > 0 ? `${count} (${s.missing} frames)` : `${count}`)), s.gaps > 0],
    ["Overruns", orDash(s.overruns, String), s.overruns > 0],
    ...(s.not_taken > 0 ? [["Not taken", String(s.not_taken), true]] : []),
    ["Chunks queued", orDash(s.chunks_queued, String)],
    ["Chunks uploaded", orDash(s.chunks_uploaded, String)],
    ["Spool", orDash(s.spool_bytes, size)],
    ["Upload", orDash(s.upload_rate_bytes_s, (bytes) => `${size(bytes)}/s`)],
    [
      "Clock offset",
      orDash(s.clock_offset_ms, (ms) => `${(Math.round(10 * ms) / 10 || 0).toFixed(1)}${orDash(s.clock_uncertainty_ms, (u) => ` ± ${u.toFixed(1)}`).replace("–", "")} ms`),
    ],
    ["Camera temperature", orDash(s.temperature_c, (celsius) => `${celsius.toFixed(1)} °C`)],
  ];
}

export class RunState {
  /** @param {(command: object) => boolean} send */
  constructor(send) {
    this.figures = byId("figures");
    this.start = /** @type {HTMLButtonElement} */ (byId("start"));
    this.stop = /** @type {HTMLButtonElement} */ (byId("stop"));
    this.connected = false;
    /** @type {any} */
    this.state = {};
    this.refusal = "";
    const ask = (/** @type {HTMLButtonElement} */ button, /** @type {string} */ id, /** @type {() => object} */ command) => {
      const dialog = /** @type {HTMLDialogElement} */ (byId(id));
      button.addEventListener("click", () => {
        dialog.returnValue = "";
        dialog.showModal();
      });
      dialog.addEventListener("close", () => {
        if (dialog.returnValue === "yes" && !send(command())) this.refuse("There is no connection; nothing was sent.");
      });
    };
    ask(this.start, "start-dialog", () => {
      const name = /** @type {HTMLInputElement} */ (byId("new-stream-name")).value.trim();
      return { do: "start", stream_name: name === "" ? null : name };
    });
    // Enter in the name starts the run; without this it would be the form's first button, Cancel.
    byId("new-stream-name").addEventListener("keydown", (event) => {
      if (/** @type {KeyboardEvent} */ (event).key !== "Enter") return;
      event.preventDefault();
      /** @type {HTMLDialogElement} */ (byId("start-dialog")).close("yes");
    });
    ask(this.stop, "stop-dialog", () => ({ do: "stop" }));
  }

  /** @param {any} state */
  show(state) {
    if (state.running !== this.state.running) this.refusal = "";
    this.state = state;
    const rows = figuresOf(state).map(([name, text, alarming]) => this.row(name, text, alarming === true, false));
    const facts = [
      ["Camera", [state.camera, state.width && `${state.width} x ${state.height} ${state.pixel_format ?? ""}`]],
      ["Stream", [state.data_id]],
    ];
    for (const [name, parts] of facts) {
      const text = /** @type {any[]} */ (parts).filter(Boolean).join(", ");
      if (text !== "") rows.push(this.row(String(name), text, false, true));
    }
    if (state.camera_trouble) rows.unshift(this.row("Trouble", state.camera_trouble, true, true));
    if (state.last_error) rows.push(this.row("Trouble", state.last_error, true, true));
    this.figures.replaceChildren(...rows);
    this.render();
  }

  /** @param {string} name @param {string} text @param {boolean} alarming @param {boolean} wide */
  row(name, text, alarming, wide) {
    const row = document.createElement("div");
    row.classList.toggle("alarming", alarming);
    row.classList.toggle("wide", wide);
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    value.textContent = text;
    row.append(term, value);
    return row;
  }

  /** @param {boolean} connected */
  setConnected(connected) {
    this.connected = connected;
    this.render();
  }

  /** @param {string} reason */
  refuse(reason) {
    this.refusal = reason;
    this.render();
  }

  render() {
    const { state, connected } = this;
    const write = (/** @type {HTMLElement} */ element, /** @type {string} */ text) => {
      if (element.textContent !== text) element.textContent = text;
    };
    const phase = byId("phase");
    write(phase, connected ? (state.phase ?? "connected") : "not connected");
    phase.dataset.kind = !connected || state.camera_present === false ? "away" : state.running ? "running" : "idle";
    write(byId("stream-name"), state.stream_name ?? "");
    write(byId("elapsed"), state.running && typeof state.elapsed_s === "number" ? duration(state.elapsed_s) : "");
    this.start.disabled = !connected || state.running !== false;
    this.stop.disabled = !connected || state.running !== true;
    const alert = byId("alert");
    const text = !connected
      ? "The page has lost the view; a run goes on without it. Trying to connect again…"
      : [
          state.camera_present === false ? `The camera was lost, and is being opened again: ${state.camera_away_why}.` : "",
          state.error || this.refusal || "",
        ].join(" ").trim();
    write(alert, text);
    alert.hidden = text === "";
  }
}
