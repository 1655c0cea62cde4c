// The page: what the service sends goes to the figures; what the visitor does goes to the service.

import { Bring } from "./bring.js";
import { Controls } from "./controls.js";
import { byId, say } from "./dom.js";
import { Figures } from "./figures.js";
import { Link } from "./link.js";
import { Live } from "./live.js";
import { Pad } from "./pad.js";
import { Reading } from "./reading.js";
import { Sheet } from "./sheet.js";
import { Slow } from "./slow.js";

const MARK = 0x3c4299bdbd99423cn; // the INIT value of the look-up table beside the name
const ANNOUNCE_MS = 2500;
const DENSE_SHARE = 0.25; // of the highest score: from such margins on, the class map's tint is as dense as it gets
const MOST_BYTE = 255;

const DEVICES = {
  board: ["on the board", "real programmable logic"],
  model: ["simulated", "model device: the network as C, no FPGA"],
  rtl: ["simulated", "rtl device: the whole design, clock by clock"],
};

const WORDS = {
  ink: { empty: "no digit in the picture", surest: "the surest digit; pick another", picked: "the digit that you picked", title: "Draw one", note: "finger, pen or mouse" },
  pictures: { empty: "nothing that it is so sure of", surest: "the middle of the picture", picked: "the middle of the picture", title: "Bring one", note: "PNG or JPEG" },
};

const GIVEN = { surest: "one of them; pick another", picked: WORDS.ink.picked }; // there is no surest one

for (let bit = 63n; bit >= 0n; bit -= 1n) {
  const place = 63 - Number(bit);
  const cell = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const shape = { x: (place % 8) + 0.07, y: Math.floor(place / 8) + 0.07, width: 0.86, height: 0.86 };
  for (const [name, value] of Object.entries(shape)) cell.setAttribute(name, value);
  if ((MARK >> bit) & 1n) cell.classList.add("one");
  byId("mark").append(cell);
}

const link = new Link();
const live = new Live();
const figures = new Figures();
const controls = new Controls();
const sheet = new Sheet();
const selected = new Reading("selected");
const slow = new Slow();
const pad = new Pad(new Reading("pad-reading", { compact: true }));
const bring = new Bring(pad.reading);

let status = null;
let announcedAt = 0;

function linkState(state, text) {
  byId("link").dataset.state = state;
  say(byId("link").querySelector("span"), text);
}

link.addEventListener("live", async () => {
  byId("offline").hidden = true;
  clearInterval(countdown);
  linkState("live", "live");
  await Promise.all([controls.refresh(), sheet.refresh()]).catch(() => {});
  again();
});

link.addEventListener("status", ({ detail }) => {
  if (status && status.version !== detail.version) location.reload();
  const changed = !status || status.overlay.build_id !== detail.overlay.build_id || status.settings.k !== detail.settings.k;
  const reloaded = status && status.overlay.build_id !== detail.overlay.build_id;
  status = detail;
  const [kind, note] = DEVICES[detail.device.kind];
  byId("device").dataset.simulated = String(detail.device.simulated);
  say(byId("device").querySelector(".device-kind"), kind);
  say(byId("device").querySelector(".device-note"), note);
  say(byId("version"), `lutlens ${detail.version}`);
  linkState(detail.settings.paused ? "paused" : "live", detail.settings.paused ? "paused" : "live");
  for (const reading of [selected, pad.reading]) reading.shape(detail.overlay, detail.settings.k);
  shapeMap();
  if (changed) shapeWords();
  figures.status(detail);
  controls.status(detail);
  sheet.status(detail);
  const { error } = detail.source;
  byId("veil").hidden = !error && framed;
  if (error) say(byId("veil"), `No frames: ${error}. It is being retried.`);
  else if (!framed) say(byId("veil"), "Waiting for the first frame");
  if (changed) again();
  if (reloaded) sheet.refresh().catch(() => {});
});

/** Classify what the visitor drew or brought once more. */
function again() {
  if (status) (status.overlay.reads === "ink" ? pad : bring).refresh();
}

/** Say what the overlay reads, and offer the visitor to draw or to bring it. */
function shapeWords() {
  const { reads, gives } = status.overlay;
  const { empty, title, note } = WORDS[reads];
  byId("readout").dataset.empty = empty;
  byId("margin").closest("label").hidden = Boolean(gives);
  byId("slate").hidden = reads !== "ink";
  byId("bring").hidden = reads === "ink";
  say(byId("pad-title"), title);
  say(byId("pad-note"), note);
}

function shapeMap() {
  const { overlay, settings } = status;
  const most = Math.min(MOST_BYTE, Math.max(1, DENSE_SHARE * overlay.bits_per_class * settings.k));
  const shown = overlay.scans && byId("tint").getAttribute("aria-pressed") === "true";
  byId("tint").hidden = !overlay.scans;
  link.wantMap(shown);
  live.shape(most, overlay.gives);
  slow.shape(shown, most);
}

byId("tint").addEventListener("click", () => {
  const shown = byId("tint").getAttribute("aria-pressed") !== "true";
  byId("tint").setAttribute("aria-pressed", String(shown));
  if (status) shapeMap();
});

slow.addEventListener("complain", ({ detail }) => controls.complain(detail));

let framed = false;

link.addEventListener("result", async ({ detail: { result, picture } }) => {
  let bitmap;
  try {
    bitmap = await createImageBitmap(picture);
  } catch {
    link.acknowledge();
    return;
  }
  // A hidden page gets no animation frames, acknowledges nothing, and so is sent nothing.
  requestAnimationFrame(() => {
    framed = true;
    if (!status?.source.error) byId("veil").hidden = true;
    live.show(result, bitmap);
    figures.frame(result);
    link.acknowledge();
  });
});

live.addEventListener("select", ({ detail }) => {
  if (!detail) {
    selected.clear();
    say(byId("selected-note"), "");
    return;
  }
  selected.show(detail);
  const { picked, surest } = detail.output && status?.overlay.reads === "ink" ? GIVEN : WORDS[status?.overlay.reads ?? "ink"];
  const which = live.pinned ? picked : surest;
  say(byId("selected-note"), detail.track === null || !live.pinned ? which : `${which}, no. ${detail.track}`);
  if (live.pinned && !detail.output) announce(`${detail.label}, margin ${detail.margin}`);
});

for (const source of [pad, bring]) {
  source.addEventListener("read", ({ detail }) => announce(detail.output ? "Given again" : `Read as ${detail.label}, margin ${detail.margin}`));
}

function announce(text) {
  if (performance.now() - announcedAt < ANNOUNCE_MS) return;
  announcedAt = performance.now();
  say(byId("announcer"), text);
}

let countdown = 0;

link.addEventListener("offline", ({ detail: { retryAt } }) => {
  linkState("offline", "offline");
  figures.offline();
  byId("offline").hidden = false;
  clearInterval(countdown);
  const tell = () => {
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    say(byId("offline-detail"), seconds ? `Trying again in ${seconds} s.` : "Trying again now.");
  };
  tell();
  countdown = setInterval(tell, 250);
});

byId("retry").addEventListener("click", () => link.connect());
addEventListener("online", () => link.connect());
controls.addEventListener("changed", again);

link.connect();
