// Fig. 1: each frame with its own boxes, drawn as sharp as the screen; digits are picked by click or by keyboard.

import { byId, element, fit, isDark, say, tint, tintOf, token } from "./dom.js";
import { Tracks, overlap } from "./tracks.js";

const TRUTH_OVERLAP = 0.3;
const TRUTH_FRAMES = 150;

export class Live extends EventTarget {
  #canvas = byId("picture");
  #readout = byId("readout");
  #tracks = new Tracks();
  #bands = new Map();
  #frame = null;
  #pinned = null; // the id that the visitor picked; otherwise the surest digit is shown
  #agreed = [];

  constructor() {
    super();
    this.#canvas.addEventListener("click", (event) => this.#pick(event));
    this.#readout.addEventListener("keydown", (event) => this.#walk(event));
    addEventListener("themechange", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
  }

  /** Show a frame: `result` as the service sent it, `picture` an ImageBitmap of it. */
  show(result, picture) {
    this.#frame?.picture.close();
    const digits = this.#tracks.update(result.detections);
    if (!digits.some(({ id }) => id === this.#pinned)) this.#pinned = null;
    this.#judge(result.truth, digits);
    this.#frame = { picture, digits, width: result.width, height: result.height };
    this.#canvas.style.aspectRatio = `${result.width} / ${result.height}`;
    this.#list(digits);
    this.draw();
    this.#emit();
  }

  get selected() {
    const digits = this.#frame?.digits ?? [];
    const pinned = digits.find(({ id }) => id === this.#pinned);
    return pinned ?? digits.reduce((a, b) => (a && a.margin >= b.margin ? a : b), null);
  }

  get pinned() {
    return this.#pinned !== null;
  }

  select(id) {
    this.#pinned = this.#pinned === id ? null : id;
    this.#list(this.#frame.digits);
    this.draw();
    this.#emit();
  }

  #emit() {
    this.dispatchEvent(new CustomEvent("select", { detail: this.selected }));
  }

  draw() {
    if (!this.#frame) return;
    const { context, width, height } = fit(this.#canvas);
    const { picture, digits } = this.#frame;
    const scale = width / this.#frame.width;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, width, height);
    const selected = this.selected;
    for (const digit of digits) if (digit !== selected) this.#box(context, digit, scale, false);
    if (selected) this.#box(context, selected, scale, true);
  }

  #box(context, { box, digit, label, margin, wrong }, scale, selected) {
    const [x, y, w, h] = [box.x, box.y, box.width, box.height].map((v) => Math.round(v * scale));
    const colour = token(tintOf(digit));
    const outside = isDark(digit) ? "rgb(255 255 255 / 85%)" : "rgb(0 0 0 / 75%)";
    context.lineJoin = "miter";
    for (const [style, line] of [
      [outside, selected ? 7 : 4],
      [colour, selected ? 4 : 2],
    ]) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(x, y, w, h);
    }
    // The tag: the digit on its colour, the margin beside it.
    const [tall, small] = selected ? [26, 13] : [20, 11];
    const mono = token("--mono");
    context.font = `600 ${small}px ${mono}`;
    const note = wrong === undefined ? `+${margin}` : `+${margin} ≠ ${wrong}`;
    const noteWidth = context.measureText(note).width + 10;
    context.font = `700 ${tall - 7}px ${mono}`;
    const nameWidth = Math.max(tall, context.measureText(label).width + 10);
    const total = nameWidth + noteWidth;
    const left = Math.max(0, Math.min(x - 1, this.#frame.width * scale - total));
    const top = y - tall - 2 >= 0 ? y - tall - 2 : Math.min(y + h + 2, this.#frame.height * scale - tall);
    context.fillStyle = colour;
    context.fillRect(left, top, nameWidth, tall);
    context.fillStyle = "rgb(8 10 12 / 82%)";
    context.fillRect(left + nameWidth, top, noteWidth, tall);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = isDark(digit) ? "#fff" : "#15171a";
    context.fillText(label, left + nameWidth / 2, top + tall / 2 + 1);
    context.font = `600 ${small}px ${mono}`;
    context.fillStyle = "#f2f4f6";
    context.fillText(note, left + nameWidth + noteWidth / 2, top + tall / 2 + 1);
  }

  #list(digits) {
    const selected = this.selected;
    const hadFocus = [...this.#bands.values()].find((band) => band.root === document.activeElement);
    const kept = new Map();
    for (const digit of digits) {
      const band = this.#bands.get(digit.id) ?? this.#band(digit.id);
      tint(band.name, digit.digit);
      say(band.name, digit.label);
      say(band.margin, `+${digit.margin}`);
      band.root.setAttribute("aria-label", `Digit ${digit.label}, margin ${digit.margin}`);
      band.root.setAttribute("aria-pressed", String(digit.id === selected?.id));
      band.root.tabIndex = digit.id === selected?.id ? 0 : -1;
      kept.set(digit.id, band);
    }
    this.#bands = kept;
    // Moving an element takes its focus away: touch the order only where it changed.
    const roots = digits.map(({ id }) => kept.get(id).root);
    for (const child of [...this.#readout.children]) if (!roots.includes(child)) child.remove();
    roots.forEach((root, i) => {
      const there = this.#readout.children[i];
      if (there !== root) this.#readout.insertBefore(root, there ?? null);
    });
    if (hadFocus && document.activeElement !== hadFocus.root) {
      (roots.includes(hadFocus.root) ? hadFocus.root : kept.get(selected?.id)?.root)?.focus();
    }
  }

  #band(id) {
    const name = element("b");
    const margin = element("span");
    const root = element("button", { type: "button", className: "band" }, name, margin);
    root.addEventListener("click", () => this.select(id));
    return { root, name, margin };
  }

  #walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !this.#frame?.digits.length) return;
    event.preventDefault();
    const { digits } = this.#frame;
    const at = digits.findIndex(({ id }) => id === this.selected?.id);
    const next = digits[(at + step + digits.length) % digits.length];
    if (this.#pinned !== next.id) this.select(next.id);
    this.#bands.get(next.id)?.root.focus();
  }

  #pick(event) {
    if (!this.#frame) return;
    const bounds = this.#canvas.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * this.#frame.width;
    const y = ((event.clientY - bounds.top) / bounds.height) * this.#frame.height;
    const reach = 6; // fingers are wide
    const hit = this.#frame.digits
      .filter(({ box }) => x > box.x - reach && x < box.x + box.width + reach && y > box.y - reach && y < box.y + box.height + reach)
      .sort((a, b) => a.box.width * a.box.height - b.box.width * b.box.height)[0];
    if (hit) this.select(hit.id);
  }

  /** A scene that knows its digits says how many of the last ones were read right. */
  #judge(truth, digits) {
    if (!truth) {
      this.#agreed = [];
      say(byId("truth"), "");
      return;
    }
    let right = 0;
    for (const real of truth) {
      const found = digits
        .map((digit) => ({ digit, shared: overlap(digit.box, real.box) }))
        .sort((a, b) => b.shared - a.shared)[0];
      if (!found || found.shared < TRUTH_OVERLAP) continue;
      if (found.digit.digit === real.digit) right += 1;
      else found.digit.wrong = real.digit;
    }
    this.#agreed.push([right, truth.length]);
    if (this.#agreed.length > TRUTH_FRAMES) this.#agreed.shift();
    const [good, all] = this.#agreed.reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
    if (all) say(byId("truth"), `${((100 * good) / all).toFixed(1)} % of the scene's own digits found and read right`);
  }
}
