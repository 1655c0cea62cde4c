// One recognition: the view that the network saw, its answer, and the score of every class, where the core tells: one
// that scans frames keeps the best class only. Of a network that gives images: the view, and the image of it.

import { barOf, byId, bytes, element, name, paint, say, tint } from "./dom.js";

const MOST_CELLS = 64;

export class Reading {
  #rows = [];
  #overlay = { classes: [], bits_per_class: 1, image_width: 28, image_height: 28, channels: 1, gives: null };
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
    this.output = element("canvas", { width: 0, height: 0 });
    this.output.setAttribute("role", "img");
    this.given = element("figure", { className: "given" }, element("div", { className: "seen" }, this.output), element("figcaption", {}, "what the network gives again"));
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
    this.root.toggleAttribute("data-images", Boolean(overlay.gives));
    if (!overlay.gives) this.given.remove();
    else {
      this.bars.before(this.given);
      const [height, width] = overlay.gives;
      this.output.setAttribute("aria-label", `The ${width} by ${height} pixels that the network gives again`);
    }
    const bits = overlay.bits_per_class;
    const cells = bits <= MOST_CELLS ? bits : Math.round(MOST_CELLS * 0.75);
    this.#rows = (overlay.gives ? [] : overlay.classes).map((label, digit) => {
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

  show({ digit, label, margin, scores, view, output }) {
    delete this.root.dataset.empty;
    if (output && this.#overlay.gives) paint(this.output, bytes(output), this.#overlay.gives);
    name(this.digit, label);
    tint(this.digit, digit);
    say(this.margin, `+${margin}`);
    this.#draw(bytes(view));
    this.root.toggleAttribute("data-unscored", !scores && !output);
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
    const { gives } = this.#overlay;
    if (gives) paint(this.output, new Uint8Array(gives[0] * gives[1] * gives[2]), gives);
    for (const { bar, sum } of this.#rows) {
      bar.classList.remove("won");
      bar.style.setProperty("--fill", "0%");
      sum.classList.remove("best");
      say(sum, 0);
    }
  }

  #draw(values) {
    const { image_width: width, image_height: height, channels } = this.#overlay;
    if (this.view.width !== width || this.view.height !== height) {
      this.root.style.setProperty("--columns", width);
      this.root.style.setProperty("--rows", height);
      this.view.setAttribute("aria-label", `The ${width} by ${height} pixels that the network saw`);
    }
    paint(this.view, values, [height, width, channels]);
  }
}
