// Fig. 3: drawing by finger, pen, mouse or keyboard; every change is classified while one draws.

import { ServiceError, call } from "./api.js";
import { byId, fit, say, token } from "./dom.js";

const SENT_SIDE = 140; // five pixels for each of the network's
const PEN = 0.078; // of the pad's side
const KEY_STEP = 1 / 28;
const LEAST_INTERVAL_MS = 50;

export class Pad extends EventTarget {
  #canvas = byId("pad");
  #strokes = [];
  #pointer = null;
  #cursor = { x: 0.5, y: 0.3, down: false };
  #version = 0;
  #sent = 0;
  #sending = false;

  constructor(reading) {
    super();
    this.reading = reading;
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(type, (event) => this.#end(event));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    for (const type of ["focus", "blur"]) canvas.addEventListener(type, () => this.#draw());
    byId("clear").addEventListener("click", () => this.clear());
    addEventListener("themechange", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  clear() {
    this.#strokes = [];
    this.#cursor.down = false;
    this.#changed();
  }

  /** Classify again: the overlay or K has changed, or the service has come back. */
  refresh() {
    if (this.#strokes.length) this.#changed();
  }

  #point(event) {
    const bounds = this.#canvas.getBoundingClientRect();
    return [(event.clientX - bounds.left) / bounds.width, (event.clientY - bounds.top) / bounds.height];
  }

  #start(event) {
    if (event.button !== 0 || this.#pointer !== null) return;
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#cursor.down = false;
    this.#strokes.push([this.#point(event)]);
    this.#changed();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.#strokes.at(-1).push(this.#point(one));
    this.#changed();
  }

  #end(event) {
    if (event.pointerId === this.#pointer) this.#pointer = null;
  }

  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const cursor = this.#cursor;
    if (steps[event.key]) {
      const [dx, dy] = steps[event.key];
      cursor.x = Math.min(1, Math.max(0, cursor.x + dx * KEY_STEP));
      cursor.y = Math.min(1, Math.max(0, cursor.y + dy * KEY_STEP));
      if (cursor.down) this.#strokes.at(-1).push([cursor.x, cursor.y]);
    } else if (event.key === " ") {
      cursor.down = !cursor.down;
      if (cursor.down) this.#strokes.push([[cursor.x, cursor.y]]);
      say(byId("announcer"), cursor.down ? "Pen down" : "Pen up");
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.#changed();
  }

  #changed() {
    this.#version += 1;
    this.#draw();
    if (!this.#strokes.length) {
      this.reading.clear();
      say(byId("pad-note"), "finger, pen or mouse");
    }
    this.#send();
  }

  #trace(context, side, ink) {
    Object.assign(context, { strokeStyle: ink, lineWidth: PEN * side, lineCap: "round", lineJoin: "round" });
    for (const stroke of this.#strokes) {
      context.beginPath();
      const [[x, y], ...rest] = stroke;
      context.moveTo(x * side, y * side);
      if (!rest.length) context.lineTo(x * side, y * side);
      // Through the middles of neighbouring points: round where the hand was.
      rest.forEach(([px, py], i) => {
        const [nx, ny] = rest[i + 1] ?? [px, py];
        context.quadraticCurveTo(px * side, py * side, ((px + nx) / 2) * side, ((py + ny) / 2) * side);
      });
      context.stroke();
    }
  }

  #draw() {
    const { context, width } = fit(this.#canvas);
    context.clearRect(0, 0, width, width);
    context.strokeStyle = token("--line");
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 1; i < 28; i += 1) {
      const at = Math.round((i * width) / 28) + 0.5;
      context.moveTo(at, 0);
      context.lineTo(at, width);
      context.moveTo(0, at);
      context.lineTo(width, at);
    }
    context.stroke();
    if (!this.#strokes.length) {
      context.fillStyle = token("--ink-3");
      context.font = `500 14px ${token("--sans")}`;
      context.textAlign = "center";
      context.fillText("0 to 9, as large as you like", width / 2, width / 2);
    }
    this.#trace(context, width, token("--ink"));
    if (this.#canvas.matches(":focus-visible")) {
      context.beginPath();
      context.arc(this.#cursor.x * width, this.#cursor.y * width, (PEN * width) / 2, 0, 7);
      context.lineWidth = 2;
      context.strokeStyle = token("--focus");
      context.stroke();
    }
  }

  /** One request at a time; what changed meanwhile goes with the next. */
  async #send() {
    if (this.#sending || this.#sent === this.#version || !this.#strokes.length) return;
    this.#sending = true;
    const version = this.#version;
    try {
      const drawn = new OffscreenCanvas(SENT_SIDE, SENT_SIDE);
      const context = drawn.getContext("2d");
      context.fillRect(0, 0, SENT_SIDE, SENT_SIDE);
      this.#trace(context, SENT_SIDE, "#fff");
      const png = await drawn.convertToBlob({ type: "image/png" });
      const { recognition } = await call("POST", "pad", png, { type: "image/png" });
      this.#sent = version;
      if (recognition && this.#strokes.length) {
        this.reading.show(recognition);
        say(byId("pad-note"), recognition.output ? "given again" : `read as ${recognition.label}`);
        this.dispatchEvent(new CustomEvent("read", { detail: recognition }));
      }
      await new Promise((resolve) => setTimeout(resolve, LEAST_INTERVAL_MS));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#sent = version; // the next change, or the service's return, tries again
      say(byId("pad-note"), error.message);
    } finally {
      this.#sending = false;
    }
    this.#send();
  }
}
