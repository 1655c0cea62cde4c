// Table 1: the loaded overlay, its figures and its card; the core's own counters.

import { call } from "./api.js";
import { render } from "./card.js";
import { byId, element, fit, say, token } from "./dom.js";

const count = (value) => value.toLocaleString("en");

// What the PYNQ-Z2's xc7z020 has.
const CHIP = { lut: 53200, ff: 106400, bram36: 140, carry4: 13300 };
const NAMES = { lut: "Look-up tables", ff: "Flip-flops", bram36: "Block RAM, 36 kbit", carry4: "Carry chains" };
const LUTS_PER_CELL = 100;
const DIE_ROWS = 14;

export class Sheet {
  #counters = new Map();
  #card = null;

  constructor() {
    byId("card-fold").open = matchMedia("(min-width: 1181px)").matches;
    addEventListener("themechange", () => this.#die());
    new ResizeObserver(() => this.#die()).observe(byId("die"));
  }

  async refresh() {
    const card = await call("GET", "overlay/card");
    this.#card = card;
    say(byId("sheet-name"), card.overlay.name);
    say(byId("sheet-description"), card.overlay.description);
    byId("card").replaceChildren(...render(card.markdown || "This overlay has no card."));
    byId("accuracy").replaceChildren(
      ...Object.entries(card.accuracy).map(([k, fraction]) =>
        element("div", {}, element("dt", {}, `×${k}`), element("dd", {}, (100 * fraction).toFixed(2), element("small", {}, "%"))),
      ),
    );
    byId("cells").replaceChildren(...Object.entries(CHIP).map(([kind, all]) => this.#cells(kind, all)));
    byId("build").replaceChildren(
      this.#row("Clock FCLK0, built for", `${card.clock_mhz.toFixed(1)} MHz`),
      this.#row("Clock FCLK0, read back", "–", "clock-now"),
      this.#row("Build id", card.overlay.build_id),
      this.#row("Bitstream", card.bitstream ?? "none yet"),
      this.#row("Run on a board", card.run_on_hardware ? "yes" : "not yet"),
    );
    this.#die();
  }

  status({ hardware, clock_mhz }) {
    for (const [name, value] of Object.entries(hardware)) {
      if (!this.#counters.has(name)) {
        const row = this.#row(name.replaceAll("_", " "), "");
        this.#counters.set(name, row.lastElementChild);
        byId("counters").append(row);
      }
      say(this.#counters.get(name), count(value));
    }
    const clock = byId("clock-now");
    if (clock && clock_mhz !== null) say(clock, `${clock_mhz.toFixed(1)} MHz`);
  }

  #cells(kind, all) {
    const { core, pl } = this.#card;
    const used = (cells) => {
      if (!cells) return ["–"];
      const share = (100 * cells[kind]) / all;
      return [count(cells[kind]), element("small", {}, `  ${share.toFixed(1)} %`)];
    };
    const cell = (...children) => element("td", { className: "value" }, ...children);
    const name = element("th", { scope: "row" }, NAMES[kind]);
    return element("tr", {}, name, cell(...used(core)), cell(...used(pl)), cell(count(all)));
  }

  #row(name, value, id = "") {
    const cell = element("td", { className: "value", id }, value);
    return element("tr", {}, element("th", { scope: "row" }, name), cell);
  }

  /** How much of the chip is used, in cells of a hundred look-up tables. */
  #die() {
    const canvas = byId("die");
    const { core, pl } = this.#card ?? {};
    canvas.hidden = byId("die-legend").hidden = !core;
    if (!core) return;
    const { context, width, height } = fit(canvas);
    const used = core.lut / LUTS_PER_CELL;
    const whole = Math.max(used, (pl?.lut ?? 0) / LUTS_PER_CELL);
    canvas.setAttribute("aria-label", `${count(core.lut)} of the chip's ${count(CHIP.lut)} look-up tables are the network core's`);
    const columns = Math.ceil(CHIP.lut / LUTS_PER_CELL / DIE_ROWS);
    const [dx, dy] = [width / columns, height / DIE_ROWS];
    context.clearRect(0, 0, width, height);
    for (let i = 0; i < columns * DIE_ROWS; i += 1) {
      context.fillStyle = token(i < used ? "--accent" : i < whole ? "--line-strong" : "--cell");
      const [x, y] = [Math.floor(i / DIE_ROWS), i % DIE_ROWS];
      context.fillRect(x * dx, y * dy, dx - 1.5, dy - 1.5);
    }
  }
}
