// Puts the page together.

import { Alarm } from "./alarm.js";
import { Connection } from "./connection.js";
import { EventLog } from "./event_log.js";
import { RunMarks } from "./marks.js";
import { Overlay } from "./overlay.js";
import { Channels } from "./channels.js";
import { byId, clockTime } from "./page.js";
import { Picture } from "./picture.js";
import { Profile } from "./profile.js";
import { RegionList } from "./regions.js";
import { RunState } from "./run_state.js";
import { Strips } from "./strips.js";
import { Tools } from "./tools.js";
import { Viewport } from "./viewport.js";

const LOOK_INTERVAL_MS = 60;
const STALE_MS = 2000;

const stage = /** @type {HTMLElement} */ (byId("stage"));
const canvas = /** @type {HTMLCanvasElement} */ (byId("canvas"));

/** @type {import("./overlay.js").Pixel | null} */
let crosshair = null;
let lastFrameAt = 0;
/** @type {{ at: number, silentS: number | null, leastMs: number }} */
let told = { at: 0, silentS: null, leastMs: STALE_MS };
let frameText = "–";

function drawPicture() {
  const ratio = devicePixelRatio;
  const [width, height] = [Math.round(viewport.width * ratio), Math.round(viewport.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context !== null && picture.width > 0) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = viewport.scale * ratio < 1;
    const scale = viewport.scale * ratio;
    context.drawImage(
      picture.canvas,
      viewport.left * ratio,
      viewport.top * ratio,
      picture.width * scale,
      picture.height * scale,
    );
  }
  overlay.draw();
}

/** Tell the server what this page looks at, at most every `LOOK_INTERVAL_MS`. */
let lookLater = 0;
function look() {
  if (lookLater !== 0) return;
  lookLater = window.setTimeout(() => {
    lookLater = 0;
    connection.send({
      do: "look",
      pixel: crosshair === null ? null : [crosshair.x, crosshair.y],
      line: overlay.line,
      window_s: strips.windowS,
      oscillations: strips.latest,
      since_ms: marks.sinceMs,
    });
  }, LOOK_INTERVAL_MS);
}

/** @param {import("./overlay.js").Line | null} line */
function setLine(line) {
  overlay.line = line;
  profile.setLine(line);
  overlay.draw();
  look();
}

const viewport = new Viewport(stage, () => drawPicture());
const overlay = new Overlay(byId("overlay"), viewport);
const picture = new Picture(() => drawPicture());
const regions = new RegionList(
  () => {
    overlay.regions = regions.list;
    alarm.follow(regions.list);
    overlay.draw();
  },
  (list) => connection.send({ do: "regions", regions: list }),
);
const profile = new Profile(picture, setLine);
const strips = new Strips(look);
new Channels((list) => strips.showChannels(list));
const marks = new RunMarks((list) => strips.setMarks(list), look);
const alarm = new Alarm(strips, () => marks.sinceMs !== null);
const log = new EventLog();
const run = new RunState();
new Tools(stage, viewport, overlay, regions, {
  onLine: setLine,
  onCrosshair: (pixel) => {
    crosshair = pixel;
    if (pixel === null) byId("pixel").textContent = "–";
    look();
  },
});

const connection = new Connection({
  onConnected: (connected) => {
    run.setConnected(connected);
    if (connected) {
      log.clear();
      look();
    }
  },
  onState: (state, station) => {
    run.show(state, station);
    marks.follow(station);
    const silentS = typeof state.silent_s === "number" ? state.silent_s : null;
    told = { at: performance.now(), silentS, leastMs: Math.max(STALE_MS, 4000 / (state.fps_asked || Infinity)) };
    if (stage.classList.contains("stale")) showAge();
    if (Array.isArray(state.regions)) regions.follow(state.regions, Boolean(state.error));
  },
  onEvents: (events) => log.add(events),
  onRefused: (reason) => {
    run.refuse(reason);
    regions.revert();
  },
  onValues: (values) => {
    const { pixel, line } = values;
    if (pixel !== null && crosshair !== null) {
      byId("pixel").textContent = `x ${pixel.x}, y ${pixel.y}: ${pixel.value ?? "–"}`;
    }
    if (line !== null && overlay.line !== null) profile.show(line);
  },
  onFrame: async (header, parts) => {
    await picture.show(header, parts);
    regions.setFrame(header.width, header.height);
    viewport.setFrame(header.width, header.height);
    byId("no-frame").hidden = true;
    const at = header.utc_ms === null ? "" : `, ${clockTime(header.utc_ms, true)}`;
    frameText = `frame ${header.number}${at}`;
    byId("saturated").textContent =
      header.saturated === 0
        ? `brightest ${header.brightest}`
        : `${header.saturated} pixel${header.saturated === 1 ? "" : "s"} saturated`;
    lastFrameAt = performance.now();
    showAge();
  },
  onTraces: (header, parts) => {
    strips.show(header, parts);
    alarm.look();
  },
  onGrowth: (growth) => {
    strips.showGrowth(growth.regions, growth.since_ms !== null);
    // What was counted since an earlier mark must not ring for this one.
    if (growth.since_ms === marks.sinceMs) alarm.lookAtGrowth(growth.regions);
  },
});

/** How old the newest frame is, in ms: as the run says, which may have begun long before this page. */
function frameAge() {
  if (told.silentS !== null) return 1000 * told.silentS + performance.now() - told.at;
  return lastFrameAt > 0 ? performance.now() - lastFrameAt : 0;
}

function showAge() {
  const age = frameAge();
  const isStale = age > told.leastMs;
  const seconds = Math.floor(age / 1000);
  byId("frame").textContent = isStale && lastFrameAt > 0 ? `${frameText}, ${seconds} s ago` : frameText;
  stage.classList.toggle("stale", isStale);
  const label = byId("stale");
  label.hidden = !isStale;
  label.textContent = `No frame for ${seconds} s`;
  strips.setSilence(age / 1000);
}
setInterval(showAge, 1000);

/** What is opened when it is wanted. @param {string} button @param {string} panel @returns {(open: boolean) => void} */
function opens(button, panel) {
  const [toggle, opened] = [byId(button), byId(panel)];
  const open = (/** @type {boolean} */ wanted) => {
    opened.hidden = !wanted;
    toggle.setAttribute("aria-expanded", String(wanted));
  };
  toggle.addEventListener("click", () => open(opened.hidden !== false));
  return open;
}
opens("show-regions", "regions-panel");
const showProfile = opens("show-profile", "profile-panel");
document.querySelector("[data-tool=line]")?.addEventListener("click", () => showProfile(true));
