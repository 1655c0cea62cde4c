// Fig. 4, slow motion: the last seconds at the core's rate, frozen, stepped frame by frame, replayed.

import { ServiceError, call, picture } from "./api.js";
import { byId, element, fit, say, tintOf, token } from "./dom.js";
import { Stage } from "./stage.js";
import { Tracks } from "./tracks.js";

const KEPT = 24; // frames that the page holds on to
const AHEAD = 6;
const SCREEN_FPS = 30; // beyond it, frames are left out
const SHARES = [1000, 500, 200, 100, 50, 20, 10, 4, 2, 1]; // of real time
const PLEASANT_FPS = 15;
const DOT = 2.5;

const clamp = (value, most) => Math.max(0, Math.min(most, value));

export class Slow extends EventTarget {
  #stage = new Stage(byId("slow-picture"));
  #tracks = new Tracks();
  #recording = null;
  #frames = new Map();
  #found = new Map(); // frame to the digits seen in it, for the strip
  #index = 0;
  #wanted = 0;
  #playing = false;
  #timer = 0;
  #map = false;
  #most = 1;

  constructor() {
    super();
    byId("freeze").addEventListener("click", () => this.freeze());
    byId("slow-close").addEventListener("click", () => this.close());
    byId("slow-play").addEventListener("click", () => this.play(!this.#playing));
    for (const [id, step] of [["slow-back", -1], ["slow-on", 1]]) {
      byId(id).addEventListener("click", () => this.seek(this.#wanted + step));
    }
    byId("slow-place").addEventListener("input", (event) => this.seek(Number(event.target.value)));
    byId("slow-speed").addEventListener("change", () => this.#tellSpeed());
    byId("slow").addEventListener("keydown", (event) => this.#key(event));
    addEventListener("themechange", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(byId("slow-picture"));
  }

  /** Whether frames come with their class map, and the margin from which its tint is as dense as it gets. */
  shape(map, most) {
    this.#most = most;
    if (this.#map !== map) {
      this.#map = map;
      this.#forget();
      if (this.#recording) this.seek(this.#index);
    } else this.#draw();
  }

  async freeze() {
    byId("freeze").disabled = true;
    say(byId("slow-complaint"), "");
    this.play(false);
    try {
      await this.#settled(); // the new recording takes the place of the one that they are of
      this.#open(await call("POST", "recordings"));
    } catch (error) {
      this.#complain(error);
    } finally {
      byId("freeze").disabled = false;
    }
  }

  async close() {
    const id = this.#recording?.id;
    this.play(false);
    this.#recording = null;
    byId("slow").hidden = true;
    byId("freeze").focus();
    await this.#settled();
    if (this.#recording) return; // another one meanwhile
    this.#forget();
    if (id) call("DELETE", `recordings/${id}`).catch(() => {}); // it goes by itself after a while, too
  }

  play(on) {
    clearTimeout(this.#timer);
    this.#playing = on && Boolean(this.#recording);
    byId("slow-play").setAttribute("aria-pressed", String(this.#playing));
    byId("slow-play").setAttribute("aria-label", this.#playing ? "Stop" : "Play");
    if (this.#playing) this.#tick();
  }

  /** Go to a frame; stops nothing that is playing. */
  async seek(index) {
    if (!this.#recording) return;
    const { id, frames } = this.#recording;
    const wanted = (this.#wanted = clamp(index, frames - 1));
    try {
      const frame = await this.#frame(wanted);
      // Another one may be wanted by now, of another recording even.
      if (this.#recording?.id !== id || wanted !== this.#wanted) return;
      this.#index = wanted;
      this.#show(frame);
    } catch (error) {
      this.#complain(error);
    }
  }

  #open(recording) {
    this.#recording = recording;
    this.#forget();
    this.#found.clear();
    this.#tracks = new Tracks();
    const { frames, fps, seconds, source, overlay, k, id } = recording;
    byId("slow").hidden = false;
    say(byId("slow-source"), `${source}; ${overlay} ×${k}`);
    say(byId("slow-rate"), fps.toFixed(fps < 100 ? 1 : 0));
    say(byId("slow-count"), frames.toLocaleString("en"));
    say(byId("slow-seconds"), seconds.toFixed(2));
    byId("slow-place").max = frames - 1;
    byId("slow-video").href = `/api/v1/recordings/${id}/video.avi?fps=${SCREEN_FPS}`;
    byId("slow-lines").href = `/api/v1/recordings/${id}/detections.jsonl`;
    const pleasant = SHARES.findLast((share) => share >= fps / PLEASANT_FPS) ?? SHARES[0];
    byId("slow-speed").replaceChildren(
      ...SHARES.map((share) =>
        element("option", { value: share, selected: share === pleasant }, share === 1 ? "real time" : `1/${share} of real time`),
      ),
    );
    this.#tellSpeed();
    this.seek(0);
    byId("slow").scrollIntoView({ block: "nearest" });
    byId("slow-place").focus({ preventScroll: true });
  }

  /** All frames that were asked for have come, or will not. */
  #settled() {
    return Promise.allSettled(this.#frames.values());
  }

  #forget() {
    for (const index of this.#frames.keys()) this.#drop(index);
  }

  async #drop(index) {
    const frame = this.#frames.get(index);
    this.#frames.delete(index);
    const { bitmap } = await frame.catch(() => ({}));
    if (bitmap !== this.#stage.frame?.picture) bitmap?.close();
  }

  /** A frame's result and picture; the newest few are kept. */
  #frame(index) {
    const path = `recordings/${this.#recording.id}/frames/${index}`;
    const made =
      this.#frames.get(index) ??
      Promise.all([call("GET", `${path}?map=${this.#map}`), picture(`${path}/picture.jpg`)]).then(([result, bitmap]) => ({ result, bitmap }));
    this.#frames.delete(index);
    this.#frames.set(index, made);
    made.catch(() => this.#frames.delete(index));
    for (const old of this.#frames.keys()) {
      if (this.#frames.size <= KEPT) break;
      this.#drop(old);
    }
    return made;
  }

  #show({ result, bitmap }) {
    const { sequences, times_ms: times, frames } = this.#recording;
    const digits = this.#tracks.update(result.detections);
    this.#stage.take({ picture: bitmap, digits, map: result.class_map, width: result.width, height: result.height });
    this.#found.set(this.#index, digits.map(({ box, digit }) => [(box.x + box.width / 2) / result.width, digit]));
    byId("slow-place").value = this.#index;
    byId("slow-place").setAttribute("aria-valuetext", `Frame ${this.#index + 1} of ${frames}`);
    say(byId("slow-frame"), (this.#index + 1).toLocaleString("en"));
    say(byId("slow-sequence"), sequences[this.#index].toLocaleString("en"));
    say(byId("slow-time"), times[this.#index].toFixed(2));
    say(byId("slow-digits"), digits.map(({ label }) => label).filter(Boolean).join(digits.some(({ label }) => label.length > 1) ? ", " : " ") || "none");
    this.#draw();
  }

  #draw() {
    if (!this.#recording || !this.#stage.frame) return;
    this.#stage.draw(null, this.#most);
    this.#strip();
  }

  /** Time from left to right, the picture's width from top to bottom: the digits in the frames seen so far. */
  #strip() {
    const { context, width, height } = fit(byId("slow-strip"));
    const { sequences, frames } = this.#recording;
    const at = (index) => (frames < 2 ? 0 : (index / (frames - 1)) * (width - 1));
    context.clearRect(0, 0, width, height);
    context.fillStyle = token("--bad");
    for (let i = 1; i < frames; i += 1) if (sequences[i] !== sequences[i - 1] + 1) context.fillRect(at(i), height - 3, 1, 3);
    for (const [index, digits] of this.#found) {
      for (const [place, digit] of digits) {
        context.fillStyle = token(tintOf(digit));
        context.fillRect(at(index) - DOT / 2, place * (height - 6) + 3 - DOT / 2, DOT, DOT);
      }
    }
    context.fillStyle = token("--accent");
    context.fillRect(at(this.#index) - 1, 0, 2, height);
  }

  /** Frames left out from one to the next, and milliseconds between them. */
  get #pace() {
    const rate = Math.max(0.1, this.#recording.fps) / Number(byId("slow-speed").value);
    const stride = Math.max(1, Math.round(rate / SCREEN_FPS));
    return { rate, stride, wait: (1000 * stride) / rate };
  }

  #tellSpeed() {
    const { rate, stride } = this.#pace;
    const shown = (rate / stride).toFixed(1);
    say(byId("slow-pace"), stride === 1 ? `${shown} frames/s on this screen, every one` : `${shown} frames/s on this screen, one of ${stride}`);
  }

  async #tick() {
    const began = performance.now();
    const { frames } = this.#recording;
    const { stride } = this.#pace;
    for (let i = 2; i <= AHEAD; i += 1) this.#frame((this.#wanted + i * stride) % frames).catch(() => {});
    const next = this.#wanted + stride;
    await this.seek(next < frames ? next : 0);
    if (!this.#playing) return;
    this.#timer = setTimeout(() => this.#playing && this.#tick(), Math.max(0, this.#pace.wait - (performance.now() - began)));
  }

  #key(event) {
    if (event.target.tagName === "SELECT") return;
    const far = event.shiftKey ? 10 : 1;
    const last = (this.#recording?.frames ?? 1) - 1;
    const places = { ArrowLeft: this.#wanted - far, ArrowRight: this.#wanted + far, Home: 0, End: last };
    if (event.key in places) {
      this.play(false);
      this.seek(places[event.key]);
    } else if (event.key === " " && event.target.id === "slow-place") this.play(!this.#playing);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
  }

  #complain(error) {
    if (!(error instanceof ServiceError)) throw error;
    this.play(false);
    say(byId("slow-complaint"), error.message);
    if (byId("slow").hidden) this.dispatchEvent(new CustomEvent("complain", { detail: error }));
  }
}
