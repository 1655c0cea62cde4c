// One recognition: the view that the network saw, its answer, and the score of every class, where the core tells: one
// that scans frames keeps the best class only.

import { barOf, byId, bytes, element, name, say, tint } from "./dom.js";

const MOST_CELLS = 64;

export class Reading {
  #rows = [];
  #overlay = { classes: [], bits_per_class: 1, image_width: 28, image_height: 28, channels: 1 };
  #k = 1;

  constructor(id, { compact = false } = {}) {
    this.root = byId(id);
    this.view = element("canvas", { width: 0, height: 0 });
    this.view.setAttribute("role", "img");
    this.digit = element("b", {}, "–");
    this.margin = element("strong", {}, "–");
    const why = element("span", { className: "unscored" }, "A core that scans frames keeps the best class of a window, and its margin; the other scores stay in it.");
    const answer = element("div", { className: "answer" }, this.digit, element("p", {}, this.margin, "margin over the second best", why));
    const seen = element("div", { className: "seen" }, this.view);
    this.bars = element("dl", { className: "bars" });
    this.bars.setAttribute("aria-label", "Score of every class");
    this.root.append(element("div", { className: "look" }, seen, answer), this.bars);
    this.root.classList.toggle("compact", compact);
    this.clear();
  }

  /** Take over the overlay's classes and K: how many rows and cells there are. */
  shape(overlay, k) {
    this.#k = k;
    if (overlay.build_id === this.#overlay.build_id) return;
    this.#overlay = overlay;
    this.root.toggleAttribute("data-unscored", overlay.scans);
    const bits = overlay.bits_per_class;
    const cells = bits <= MOST_CELLS ? bits : Math.round(MOST_CELLS * 0.75);
    this.#rows = overlay.classes.map((label, digit) => {
      const title = element("dt");
      name(title, label);
      tint(title, digit);
      const bar = element("div", { className: "bar", style: { "--cells": cells, "--bar": barOf(digit) } }, element("i"), element("i"));
      const sum = element("dd", { className: "sum" }, "0");
      return { title, bar, sum, cell: element("dd", {}, bar) };
    });
    this.bars.replaceChildren(...this.#rows.flatMap((row) => [row.title, row.cell, row.sum]));
    this.clear();
  }

  show({ digit, label, margin, scores, view }) {
    delete this.root.dataset.empty;
    name(this.digit, label);
    tint(this.digit, digit);
    say(this.margin, `+${margin}`);
    this.#draw(bytes(view));
    this.root.toggleAttribute("data-unscored", !scores);
    if (!scores) return;
    const most = this.#overlay.bits_per_class * this.#k;
    this.#rows.forEach(({ bar, sum }, i) => {
      const score = scores[i] ?? 0;
      const won = i === digit;
      bar.classList.toggle("won", won);
      bar.style.setProperty("--fill", `${Math.min(100, (100 * score) / most)}%`);
      bar.style.setProperty("--from", won ? `${(100 * (score - margin)) / most}%` : "0%");
      sum.classList.toggle("best", won);
      say(sum, score);
    });
  }

  clear() {
    this.root.dataset.empty = "";
    name(this.digit, "–");
    this.digit.classList.remove("tint");
    say(this.margin, "–");
    const { image_width, image_height, channels } = this.#overlay;
    this.#draw(new Uint8Array(image_width * image_height * channels));
    for (const { bar, sum } of this.#rows) {
      bar.classList.remove("won");
      bar.style.setProperty("--fill", "0%");
      sum.classList.remove("best");
      say(sum, 0);
    }
  }

  #draw(values) {
    const { image_width: width, image_height: height, channels } = this.#overlay;
    if (values.length !== width * height * channels) return; // of an overlay that is no longer there
    if (this.view.width !== width || this.view.height !== height) {
      Object.assign(this.view, { width, height });
      this.root.style.setProperty("--columns", width);
      this.root.style.setProperty("--rows", height);
      this.view.setAttribute("aria-label", `The ${width} by ${height} pixels that the network saw`);
    }
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i += 1) {
      const [red, green = red, blue = red] = values.subarray(channels * i, channels * (i + 1));
      image.data.set([red, green, blue, 255], 4 * i);
    }
    this.view.getContext("2d").putImageData(image, 0, 0);
  }
}
