// The figures of the run, and the commands to begin and end one.

import { CameraForm } from "./camera_form.js";
import { ask } from "./interface.js";
import { byId, duration, size } from "./page.js";
import { StartForm } from "./start_form.js";

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

/** What became of the run before, in words. @param {any} run @returns {string} */
function endOf(run) {
  const name = run.stream_name ?? run.run;
  if (run.phase === "failed") return `${name}: did not begin (${run.error})`;
  const kept = run.exit_code === 0 ? "all delivered" : (run.problems[0] ?? `exit code ${run.exit_code}`);
  return `${name}: ${run.frames.toLocaleString("en")} frames, ${kept}`;
}

export class RunState {
  constructor() {
    this.figures = byId("figures");
    this.start = /** @type {HTMLButtonElement} */ (byId("start"));
    this.stop = /** @type {HTMLButtonElement} */ (byId("stop"));
    this.connected = false;
    /** @type {any} */
    this.state = {};
    this.refusal = "";
    new StartForm(this.start);
    this.camera = new CameraForm();
    const dialog = /** @type {HTMLDialogElement} */ (byId("stop-dialog"));
    this.stop.addEventListener("click", () => {
      dialog.returnValue = "";
      dialog.showModal();
    });
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "yes") ask("POST", "/stop", { wait_s: 0 }).catch((error) => this.refuse(error.message));
    });
  }

  /** @param {any} state @param {any} station the same as clients of the interface are told it */
  show(state, station) {
    if (state.running !== this.state.running) this.refusal = "";
    this.state = state;
    this.camera.follow(station?.camera);
    const rows = figuresOf(state).map(([name, text, alarming]) => this.row(name, text, alarming === true, false));
    const facts = [
      ["Camera", [state.camera, state.width && `${state.width} x ${state.height} ${state.pixel_format ?? ""}`]],
      ["Stream", [state.data_id]],
      ["Last run", [station?.last_run && endOf(station.last_run)]],
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
    const waits = state.waits_for ? `waiting for ${state.waits_for}` : undefined;
    write(phase, connected ? (waits ?? state.phase ?? "connected") : "not connected");
    phase.dataset.kind = !connected || state.camera_present === false ? "away" : state.running ? "running" : "idle";
    write(byId("stream-name"), state.stream_name ?? "");
    write(byId("elapsed"), state.running && typeof state.elapsed_s === "number" ? duration(state.elapsed_s) : "");
    this.start.disabled = !connected || state.running !== false || waits !== undefined;
    this.stop.disabled = !connected || !(state.running === true || waits !== undefined);
    this.showLoss();
    const alert = byId("alert");
    const text = connected
      ? state.error || this.refusal || ""
      : "The page has lost the view; a run goes on without it. Trying to connect again…";
    write(alert, text);
    alert.hidden = text === "";
  }

  /** A camera that is lost takes the picture's place, and gives the page its colour. */
  showLoss() {
    const { state } = this;
    const isLost = this.connected && state.camera_present === false;
    document.body.classList.toggle("camera-lost", isLost);
    byId("lost").hidden = !isLost;
    if (!isLost) return;
    const tries = state.camera_attempts === 1 ? "once" : `${state.camera_attempts ?? 0} times`;
    byId("lost-since").textContent = `for ${duration(state.camera_away_s ?? 0)}; tried to open it again ${tries}`;
    const why = byId("lost-why");
    if (why.textContent !== state.camera_away_why) why.textContent = state.camera_away_why;
  }
}
