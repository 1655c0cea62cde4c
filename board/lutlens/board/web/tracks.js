// A digit keeps its identity from frame to frame, so that the one selected stays selected.

const KEEP_FRAMES = 8;
const LEAST_OVERLAP = 0.15;

/** Intersection over union of two boxes {x, y, width, height}. */
export function overlap(a, b) {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (a.width * a.height + b.width * b.height - both);
}

export class Tracks {
  #tracks = [];
  #nextId = 1;

  /** Give each detection of a new frame the `id` of the one it continues; returns them left to right. */
  update(detections) {
    const pairs = [];
    for (const detection of detections) {
      for (const track of this.#tracks) {
        const score = overlap(detection.box, track.box);
        if (score > LEAST_OVERLAP) pairs.push({ detection, track, score });
      }
    }
    pairs.sort((a, b) => b.score - a.score);
    const matched = new Map();
    const taken = new Set();
    for (const { detection, track } of pairs) {
      if (matched.has(detection) || taken.has(track)) continue;
      matched.set(detection, track);
      taken.add(track);
    }
    for (const track of this.#tracks) track.missed += 1;
    const current = detections.map((detection) => {
      let track = matched.get(detection);
      if (!track) this.#tracks.push((track = { id: this.#nextId++ }));
      Object.assign(track, { box: detection.box, missed: 0 });
      return { ...detection, id: track.id };
    });
    this.#tracks = this.#tracks.filter((track) => track.missed <= KEEP_FRAMES);
    return current.sort((a, b) => a.box.x - b.box.x || a.box.y - b.box.y);
  }
}
