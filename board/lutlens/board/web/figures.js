// The way of a frame: rates, each with its name, drops, latency and its last values.

import { byId, fit, say, token } from "./dom.js";

const SHOWN_WINDOW_MS = 3000;
const SPARK_VALUES = 96;

export class Figures {
  #shown = [];
  #latencies = [];
  #p99 = null;

  constructor() {
    addEventListener("themechange", () => this.#spark());
    new ResizeObserver(() => this.#spark()).observe(byId("spark"));
    setInterval(() => this.#shownRate(), 500);
  }

  /** A frame has been drawn on this screen. */
  frame({ latency_ms, skipped }) {
    this.#shown.push(performance.now());
    this.#latencies.push(latency_ms);
    if (this.#latencies.length > SPARK_VALUES) this.#latencies.shift();
    this.#count("skipped", skipped);
    this.#spark();
  }

  status({ rates, counts, latency, source, device, overlay }) {
    say(byId("fps-captured"), rates.captured.toFixed(1));
    say(byId("fps-recognised"), rates.recognised.toFixed(1));
    this.#count("dropped", counts.dropped);
    say(byId("p50"), latency.p50_ms === null ? "–" : latency.p50_ms.toFixed(1));
    say(byId("p99"), latency.p99_ms === null ? "–" : latency.p99_ms.toFixed(1));
    this.#p99 = latency.p99_ms;
    const ddr = device.simulated ? "simulated DDR" : "DDR";
    say(byId("captured-title"), source.replayed ? `replayed from ${ddr}` : "captured");
    say(byId("source-note"), source.description);
    say(byId("shown-note"), `drawn on this screen; offered ${rates.shown.toFixed(1)}/s`);
    say(byId("latency-title"), source.replayed ? "latency in the core, first pixel to result" : "latency, captured to recognised");
    say(byId("core-note"), `${overlay.name} on ${device.simulated ? `a simulated device (${device.kind})` : device.name}`);
  }

  offline() {
    for (const id of ["fps-captured", "fps-recognised", "fps-shown", "p50", "p99"]) say(byId(id), "–");
    this.#shown = [];
    this.#latencies = [];
    this.#spark();
  }

  #count(id, value) {
    say(byId(id), value.toLocaleString("en"));
    byId(id).parentElement.dataset.some = String(value > 0);
  }

  #shownRate() {
    const now = performance.now();
    this.#shown = this.#shown.filter((at) => now - at < SHOWN_WINDOW_MS);
    if (this.#shown.length < 2) return say(byId("fps-shown"), this.#shown.length ? "…" : "–");
    const rate = (1000 * (this.#shown.length - 1)) / (this.#shown.at(-1) - this.#shown[0]);
    return say(byId("fps-shown"), rate.toFixed(1));
  }

  #spark() {
    const { context, width, height } = fit(byId("spark"));
    context.clearRect(0, 0, width, height);
    const values = this.#latencies;
    const top = Math.max(1, this.#p99 ?? 0, ...values) * 1.1;
    const step = width / SPARK_VALUES;
    values.forEach((value, i) => {
      const tall = Math.max(1.5, (value / top) * height);
      context.fillStyle = this.#p99 !== null && value > this.#p99 ? token("--bad") : token("--accent");
      context.fillRect(width - (values.length - i) * step, height - tall, Math.max(1, step - 1.2), tall);
    });
    context.strokeStyle = token("--line-strong");
    context.beginPath();
    context.moveTo(0, height - 0.5);
    context.lineTo(width, height - 0.5);
    context.stroke();
  }
}
