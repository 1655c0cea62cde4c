// Table 1: the loaded overlay, its figures and its card; the core's own counters.

import { call } from "./api.js";
import { byId, element, say } from "./dom.js";

const percent = (fraction) => (100 * fraction).toFixed(2);
const count = (value) => value.toLocaleString("en");

export class Sheet {
  #counters = new Map();
  #card = null;

  async refresh() {
    const card = await call("GET", "overlay/card");
    this.#card = card;
    say(byId("sheet-name"), card.overlay.name);
    say(byId("sheet-description"), card.overlay.description);
    say(byId("card"), card.markdown);
    byId("characteristics").replaceChildren(...this.#rows(card).map((row) => this.#row(...row)));
  }

  status({ hardware, clock_mhz }) {
    const shown = { ...hardware };
    for (const [name, value] of Object.entries(shown)) {
      let cell = this.#counters.get(name);
      if (!cell) {
        cell = element("td", { className: "value" });
        this.#counters.set(name, cell);
        byId("counters").append(element("tr", {}, element("th", { scope: "row" }, name.replaceAll("_", " ")), cell));
      }
      say(cell, count(value));
    }
    const clock = byId("clock-now");
    if (clock && clock_mhz !== null) say(clock, clock_mhz.toFixed(1));
  }

  #rows({ overlay, accuracy, core, pl, clock_mhz, bitstream, run_on_hardware }) {
    const rows = Object.entries(accuracy).map(([k, fraction]) => ["Accuracy", `×${k}, test images`, percent(fraction), "%"]);
    for (const [cells, what] of [[core, "network core, synthesised"], [pl, "whole logic, synthesised"]]) {
      if (!cells) continue;
      rows.push(["Look-up tables", what, count(cells.lut), "LUT"]);
      rows.push(["Flip-flops", what, count(cells.ff), "FF"]);
      rows.push(["Block RAM", what, count(cells.bram36), "BRAM36"]);
    }
    rows.push(["Clock FCLK0", "built for", clock_mhz.toFixed(1), "MHz"]);
    rows.push(["Clock FCLK0", "read back", "–", "MHz", "clock-now"]);
    rows.push(["Build id", "of the lutnet", overlay.build_id, ""]);
    rows.push(["Bitstream", run_on_hardware ? "has run on a board" : "not yet run on a board", bitstream ?? "none yet", ""]);
    return rows;
  }

  #row(parameter, condition, value, unit, id = "") {
    const cell = element("td", { className: "value", id }, value);
    return element("tr", {}, element("th", { scope: "row" }, parameter), element("td", {}, condition), cell, element("td", {}, unit));
  }
}
