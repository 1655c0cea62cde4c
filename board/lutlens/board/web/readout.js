// What is read in a frame, as bands on a lead: a button for each digit, walked through by the arrow keys.

import { bytes, element, name, paint, say, tint } from "./dom.js";

const MARGIN_MS = 200; // figures that change faster cannot be read

export class Readout extends EventTarget {
  #bands = new Map();
  #digits = [];
  #margins = 0;

  constructor(root) {
    super();
    this.root = root;
    root.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** Show these digits, one of them selected; or the images that are given of them, of size `gives`. */
  show(digits, selected, gives) {
    const hadFocus = [...this.#bands.values()].find((band) => band.root === document.activeElement);
    const due = performance.now() - this.#margins > MARGIN_MS;
    if (due) this.#margins = performance.now();
    const kept = new Map();
    for (const digit of digits) {
      const band = this.#bands.get(digit.id) ?? this.#band(digit.id);
      const parts = gives ? [band.image] : [band.label, band.margin];
      if (band.root.firstChild !== parts[0]) band.root.replaceChildren(...parts);
      tint(band.label, digit.digit);
      name(band.label, digit.label);
      if (gives && digit.output) {
        paint(band.image, bytes(digit.output), gives);
        band.root.setAttribute("aria-label", "An image that the network gives again");
      } else if (due || !band.margin.textContent) {
        say(band.margin, `+${digit.margin}`);
        band.root.setAttribute("aria-label", `${digit.label}, margin ${digit.margin}`);
      }
      band.root.setAttribute("aria-pressed", String(digit.id === selected?.id));
      band.root.tabIndex = digit.id === selected?.id ? 0 : -1;
      kept.set(digit.id, band);
    }
    this.#bands = kept;
    this.#digits = digits;
    // Moving an element takes its focus away: touch the order only where it changed.
    const roots = digits.map(({ id }) => kept.get(id).root);
    for (const child of [...this.root.children]) if (!roots.includes(child)) child.remove();
    roots.forEach((root, i) => {
      const there = this.root.children[i];
      if (there !== root) this.root.insertBefore(root, there ?? null);
    });
    if (hadFocus && document.activeElement !== hadFocus.root) {
      (roots.includes(hadFocus.root) ? hadFocus.root : kept.get(selected?.id)?.root)?.focus();
    }
  }

  #band(id) {
    const label = element("b");
    const margin = element("span");
    const image = element("canvas");
    const root = element("button", { type: "button", className: "band" });
    root.addEventListener("click", () => this.#pick(id));
    return { root, label, margin, image };
  }

  #pick(id) {
    this.dispatchEvent(new CustomEvent("pick", { detail: id }));
  }

  #walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !this.#digits.length) return;
    event.preventDefault();
    const roots = [...this.root.children];
    const at = roots.findIndex((root) => root.getAttribute("aria-pressed") === "true");
    const next = this.#digits[(at + step + this.#digits.length) % this.#digits.length];
    const band = this.#bands.get(next.id);
    if (band.root.getAttribute("aria-pressed") !== "true") this.#pick(next.id);
    this.#bands.get(next.id)?.root.focus();
  }
}
