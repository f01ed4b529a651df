// Puts the page together.

import { Connection } from "./connection.js";
import { EventLog } from "./event_log.js";
import { Marks } from "./marks.js";
import { byId, clockTime } from "./page.js";
import { Picture } from "./picture.js";
import { Profile } from "./profile.js";
import { RegionList } from "./regions.js";
import { RunState } from "./run_state.js";
import { Tools } from "./tools.js";
import { Traces } from "./traces.js";
import { Viewport } from "./viewport.js";

const LOOK_INTERVAL_MS = 60;
const STALE_MS = 2000;

const stage = /** @type {HTMLElement} */ (byId("stage"));
const canvas = /** @type {HTMLCanvasElement} */ (byId("canvas"));

/** @type {import("./marks.js").Pixel | null} */
let crosshair = null;
let lastFrameAt = 0;
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
  marks.draw();
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
      line: marks.line,
      window_s: traces.windowS,
    });
  }, LOOK_INTERVAL_MS);
}

/** @param {import("./marks.js").Line | null} line */
function setLine(line) {
  marks.line = line;
  profile.setLine(line);
  marks.draw();
  look();
}

const viewport = new Viewport(stage, () => drawPicture());
const marks = new Marks(byId("overlay"), viewport);
const picture = new Picture(() => drawPicture());
const regions = new RegionList(
  () => {
    marks.regions = regions.list;
    marks.draw();
  },
  (list) => connection.send({ do: "regions", regions: list }),
);
const profile = new Profile(picture, setLine);
const traces = new Traces(regions, look);
const log = new EventLog();
const run = new RunState((command) => connection.send(command));
new Tools(stage, viewport, marks, regions, {
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
  onState: (state) => {
    run.show(state);
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
    if (line !== null && marks.line !== null) profile.show(line);
  },
  onFrame: async (header, parts) => {
    await picture.show(header, parts);
    regions.setFrame(header.width, header.height);
    viewport.setFrame(header.width, header.height);
    byId("no-frame").hidden = true;
    const at = header.utc_ms === null ? "" : `, ${clockTime(header.utc_ms, true)}`;
    frameText = `frame ${header.number}${at}`;
    byId("frame").textContent = frameText;
    byId("saturated").textContent =
      header.saturated === 0
        ? `brightest ${header.brightest}`
        : `${header.saturated} pixel${header.saturated === 1 ? "" : "s"} saturated`;
    lastFrameAt = performance.now();
  },
  onTraces: (header, parts) => traces.show(header, parts),
});

setInterval(() => {
  const age = performance.now() - lastFrameAt;
  if (lastFrameAt > 0 && age > STALE_MS) byId("frame").textContent = `${frameText}, ${Math.floor(age / 1000)} s ago`;
}, 1000);
