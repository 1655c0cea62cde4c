// Fig. 1: each frame with its own boxes; digits are picked by click or by keyboard.

import { byId, say } from "./dom.js";
import { Readout } from "./readout.js";
import { Stage } from "./stage.js";
import { Tracks, overlap } from "./tracks.js";

const TRUTH_OVERLAP = 0.3;
const TRUTH_FRAMES = 150;

export class Live extends EventTarget {
  #stage = new Stage(byId("picture"));
  #readout = new Readout(byId("readout"));
  #tracks = new Tracks();
  #pinned = null; // the id that the visitor picked; otherwise the surest digit is shown
  #agreed = [];
  #most = 1;
  #gives = null;

  constructor() {
    super();
    this.#stage.canvas.addEventListener("click", (event) => {
      const hit = this.#stage.at(event);
      if (hit) this.select(hit.id);
    });
    this.#readout.addEventListener("pick", ({ detail }) => this.select(detail));
    addEventListener("themechange", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.#stage.canvas);
  }

  /** The margin from which the class map's tint is as dense as it gets; size of the images that are given, if any. */
  shape(most, gives) {
    this.#most = most;
    this.#gives = gives;
  }

  /** Show a frame: `result` as the service sent it, `picture` an ImageBitmap of it. */
  show(result, picture) {
    this.#stage.frame?.picture.close();
    const digits = this.#tracks.update(result.detections);
    if (!digits.some(({ id }) => id === this.#pinned)) this.#pinned = null;
    this.#judge(this.#gives ? null : result.truth, digits);
    this.#stage.take({ picture, digits, map: result.class_map, width: result.width, height: result.height });
    this.#changed();
  }

  get selected() {
    const digits = this.#stage.frame?.digits ?? [];
    const pinned = digits.find(({ id }) => id === this.#pinned);
    return pinned ?? digits.reduce((a, b) => (a && a.margin >= b.margin ? a : b), null);
  }

  get pinned() {
    return this.#pinned !== null;
  }

  select(id) {
    this.#pinned = this.#pinned === id ? null : id;
    this.#changed();
  }

  draw() {
    this.#stage.draw(this.selected, this.#most);
  }

  #changed() {
    this.#readout.show(this.#stage.frame.digits, this.selected, this.#gives);
    this.draw();
    this.dispatchEvent(new CustomEvent("select", { detail: this.selected }));
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
