// Fig. 3 of a network that looks at pictures as they are: one from the visitor's disk, classified.

import { ServiceError, call } from "./api.js";
import { byId, say } from "./dom.js";

export class Bring extends EventTarget {
  #area = byId("bring");
  #input = byId("bring-file");
  #file = null;

  constructor(reading) {
    super();
    this.reading = reading;
    this.#input.addEventListener("change", () => this.#take(this.#input.files[0]));
    for (const type of ["dragover", "dragleave", "drop"]) {
      this.#area.addEventListener(type, (event) => {
        event.preventDefault();
        this.#area.classList.toggle("over", type === "dragover");
        if (type === "drop") this.#take(event.dataTransfer.files[0]);
      });
    }
  }

  /** Classify again: the overlay or K has changed, or the service has come back. */
  refresh() {
    if (this.#file) this.#take(this.#file);
  }

  async #take(file) {
    if (!file) return;
    this.#file = file;
    const form = new FormData();
    form.append("files", file);
    try {
      const { files } = await call("POST", "classify", form, { type: null });
      const [found] = files[0].detections;
      this.reading.show(found);
      say(byId("pad-note"), found.output ? file.name : `${file.name}: ${found.label}`);
      this.dispatchEvent(new CustomEvent("read", { detail: found }));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      say(byId("pad-note"), error.message);
    }
  }
}
