// Source, pause, oversampling and the smallest margin; what the service says is what they show.

import { ServiceError, call } from "./api.js";
import { byId, element, say } from "./dom.js";

export class Controls extends EventTarget {
  #passes = "";
  #busy = 0;

  constructor() {
    super();
    byId("pause").addEventListener("click", () => {
      const paused = byId("pause").getAttribute("aria-pressed") !== "true";
      this.#pressed(paused); // at once, like the other controls: a press before the answer undoes this one
      this.#change("PATCH", "settings", { paused });
    });
    byId("source").addEventListener("change", (event) => this.#change("PUT", "source", { name: event.target.value }));
    byId("passes").addEventListener("change", (event) => this.#change("PATCH", "settings", { k: Number(event.target.value) }));
    byId("margin").addEventListener("input", (event) => say(byId("margin-value"), event.target.value));
    byId("margin").addEventListener("change", (event) => this.#change("PATCH", "settings", { min_margin: Number(event.target.value) }));
    byId("overlay").addEventListener("change", (event) => this.#load(event.target.value));
  }

  /** Ask what there is to choose from: on every (re)connection. */
  async refresh() {
    try {
      const [sources, overlays] = await Promise.all([call("GET", "sources"), call("GET", "overlays")]);
      this.#options(byId("source"), sources, (source) => source.active, (source) => source.description);
      this.#options(byId("overlay"), overlays, (overlay) => overlay.loaded, (overlay) => overlay.name);
    } catch (error) {
      this.complain(error);
    }
  }

  status({ settings, overlay, source }) {
    if (this.#busy) return;
    const { k, min_margin, paused } = settings;
    this.#pressed(paused);
    this.#segments(overlay.passes, k);
    if (document.activeElement !== byId("margin")) {
      byId("margin").max = Math.max(40, min_margin);
      byId("margin").value = min_margin;
      say(byId("margin-value"), min_margin);
    }
    if (document.activeElement !== byId("source")) byId("source").value = source.name;
    if (document.activeElement !== byId("overlay")) byId("overlay").value = overlay.name;
  }

  #pressed(paused) {
    byId("pause").setAttribute("aria-pressed", String(paused));
    say(byId("pause"), paused ? "Resume" : "Pause");
  }

  #segments(passes, k) {
    if (this.#passes !== String(passes)) {
      this.#passes = String(passes);
      byId("passes").replaceChildren(
        ...passes.map((value) => {
          const input = element("input", { type: "radio", name: "passes", value });
          input.setAttribute("aria-label", value === 1 ? "1 pass" : `${value} passes added`);
          return element("label", {}, input, `×${value}`);
        }),
      );
    }
    for (const input of byId("passes").querySelectorAll("input")) input.checked = Number(input.value) === k;
  }

  #options(select, choices, chosen, text) {
    select.replaceChildren(
      ...choices.map((choice) => element("option", { value: choice.name, selected: chosen(choice) }, text(choice))),
    );
    select.disabled = choices.length < 2;
  }

  async #load(name) {
    say(byId("announcer"), `Loading ${name}`);
    byId("overlay").disabled = true;
    await this.#change("POST", `overlays/${encodeURIComponent(name)}/load`);
    await this.refresh();
  }

  async #change(method, path, body) {
    this.#busy += 1;
    byId("complaint").hidden = true;
    try {
      await call(method, path, body);
      this.dispatchEvent(new Event("changed"));
    } catch (error) {
      this.complain(error);
    } finally {
      this.#busy -= 1;
    }
  }

  /** Tell what the service refused. */
  complain(error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.status === 0) return; // the banner says it already
    say(byId("complaint"), error.message);
    byId("complaint").hidden = false;
  }
}
