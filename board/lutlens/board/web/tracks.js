// A digit keeps its identity from frame to frame, so that the one selected stays selected, and its box its colour.

const KEEP_FRAMES = 8;
const LEAST_OVERLAP = 0.15;
const MEMORY = 0.85; // what is left of evidence after a frame
const FOLLOWED = "t"; // before the numbers that the service gives, to tell them from those given here

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
  #order = [];
  #nextId = 1;

  /**
   * Give each detection of a new frame the `id` of the one it continues, and its `tone`, the digit that it was mostly
   * read as; returns them left to right. Where the service follows digits, its word counts.
   */
  update(detections) {
    const matched = this.#match(detections);
    for (const track of this.#tracks) track.missed += 1;
    const current = detections.map((detection) => {
      let track = matched.get(detection);
      if (!track) {
        const id = detection.track === null ? this.#nextId++ : FOLLOWED + detection.track;
        this.#tracks.push((track = { id, evidence: new Map() }));
      }
      Object.assign(track, { box: detection.box, missed: 0 });
      return { ...detection, id: track.id, tone: this.#tone(track.evidence, detection) };
    });
    this.#tracks = this.#tracks.filter((track) => track.missed <= KEEP_FRAMES);
    return this.#sort(current);
  }

  #match(detections) {
    const matched = new Map();
    const taken = new Set();
    const match = (detection, track) => {
      if (matched.has(detection) || taken.has(track)) return;
      matched.set(detection, track);
      taken.add(track);
    };
    const numbered = new Map(this.#tracks.map((track) => [track.id, track]));
    const pairs = [];
    for (const detection of detections) {
      if (detection.track !== null) {
        const track = numbered.get(FOLLOWED + detection.track);
        if (track) match(detection, track);
        continue;
      }
      for (const track of this.#tracks) {
        const score = typeof track.id === "number" ? overlap(detection.box, track.box) : 0;
        if (score > LEAST_OVERLAP) pairs.push({ detection, track, score });
      }
    }
    pairs.sort((a, b) => b.score - a.score);
    for (const { detection, track } of pairs) match(detection, track);
    return matched;
  }

  #tone(evidence, { digit, margin }) {
    for (const [other, weight] of evidence) evidence.set(other, weight * MEMORY);
    evidence.set(digit, (evidence.get(digit) ?? 0) + margin + 1);
    return [...evidence].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  }

  /** Left to right, but two digits change places only when one is clearly past the other: the list stands still. */
  #sort(digits) {
    const before = new Map(this.#order.map((id, i) => [id, i]));
    const middle = ({ box }) => box.x + box.width / 2;
    const sorted = [...digits].sort((a, b) => middle(a) - middle(b) || a.box.y - b.box.y);
    for (let pass = 1; pass < sorted.length; pass += 1) {
      let moved = false;
      for (let i = 1; i < sorted.length; i += 1) {
        const [a, b] = [sorted[i - 1], sorted[i]];
        const close = middle(b) - middle(a) < Math.min(a.box.width, b.box.width) / 2;
        if (!close || !(before.get(a.id) > before.get(b.id))) continue;
        [sorted[i - 1], sorted[i]] = [b, a];
        moved = true;
      }
      if (!moved) break;
    }
    this.#order = sorted.map(({ id }) => id);
    return sorted;
  }
}
