// A frame on a canvas, as sharp as the screen: the picture, the class map over it, and boxes with their digits.

import { fit, isDark, tintOf, token } from "./dom.js";
import { paint } from "./classmap.js";

const REACH = 6; // fingers are wide
const CRAMPED = 22; // pixels of the screen

export class Stage {
  #frame = null;

  constructor(canvas) {
    this.canvas = canvas;
  }

  get frame() {
    return this.#frame;
  }

  /** Take a frame: its `picture`, `width` and `height`, `digits`, and `map`, a class map or null. */
  take(frame) {
    this.#frame = frame;
    this.canvas.style.aspectRatio = `${frame.width} / ${frame.height}`;
    this.canvas.style.setProperty("--ratio", frame.width / frame.height);
  }

  /** Draw it, one of its digits selected; `most` is the margin from which a tint is as dense as it gets. */
  draw(selected, most) {
    if (!this.#frame) return;
    const { context, width, height } = fit(this.canvas);
    const { picture, digits, map } = this.#frame;
    const scale = width / this.#frame.width;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, width, height);
    if (map) paint(context, map, scale, most);
    for (const digit of digits) if (digit !== selected) this.#box(context, digit, scale, false);
    if (selected) this.#box(context, selected, scale, true);
  }

  /** The smallest digit at a pointer's place; undefined if there is none. */
  at(event) {
    if (!this.#frame) return undefined;
    const bounds = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * this.#frame.width;
    const y = ((event.clientY - bounds.top) / bounds.height) * this.#frame.height;
    return this.#frame.digits
      .filter(({ box }) => x > box.x - REACH && x < box.x + box.width + REACH && y > box.y - REACH && y < box.y + box.height + REACH)
      .sort((a, b) => a.box.width * a.box.height - b.box.width * b.box.height)[0];
  }

  #box(context, { box, digit, tone, label, margin, wrong, output }, scale, selected) {
    const [x, y, w, h] = [box.x, box.y, box.width, box.height].map((v) => Math.round(v * scale));
    // Small boxes, on a phone, have small tags, without the margin: it is in the list.
    const cramped = w < CRAMPED;
    const outside = isDark(tone) ? "rgb(255 255 255 / 85%)" : "rgb(0 0 0 / 75%)";
    context.lineJoin = "miter";
    for (const [style, line] of [
      [outside, (selected ? 7 : 4) - cramped],
      [token(tintOf(tone)), (selected ? 4 : 2) - cramped * 0.5],
    ]) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(x, y, w, h);
    }
    if (output) return;
    // The tag: the digit on its colour, the margin beside it.
    const [tall, small] = cramped ? [16, 10] : selected ? [26, 13] : [20, 11];
    const mono = token("--mono");
    context.font = `600 ${small}px ${mono}`;
    const note = wrong === undefined ? `+${margin}` : `+${margin} ≠ ${wrong}`;
    const noteWidth = cramped && !selected ? 0 : context.measureText(note).width + 10;
    context.font = `700 ${cramped ? 11 : tall - 7}px ${mono}`;
    const nameWidth = Math.max(tall, context.measureText(label).width + (cramped ? 6 : 10));
    const total = nameWidth + noteWidth;
    const left = Math.max(0, Math.min(x - 1, this.#frame.width * scale - total));
    const top = y - tall - 2 >= 0 ? y - tall - 2 : Math.min(y + h + 2, this.#frame.height * scale - tall);
    context.fillStyle = token(tintOf(digit));
    context.fillRect(left, top, nameWidth, tall);
    context.fillStyle = "rgb(8 10 12 / 82%)";
    context.fillRect(left + nameWidth, top, noteWidth, tall);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = isDark(digit) ? "#fff" : "#15171a";
    context.fillText(label, left + nameWidth / 2, top + tall / 2 + 1);
    if (!noteWidth) return;
    context.font = `600 ${small}px ${mono}`;
    context.fillStyle = "#f2f4f6";
    context.fillText(note, left + nameWidth + noteWidth / 2, top + tall / 2 + 1);
  }
}
