// What the core says of every window, as a tint: the digit's colour, the denser the surer.

import { bytes, tintOf, token } from "./dom.js";

const DENSEST = 0.85;
const DIGITS = 10;

const small = document.createElement("canvas");
let colours = null;

addEventListener("themechange", () => {
  colours = null;
});

function palette() {
  colours ??= Array.from({ length: DIGITS }, (_, digit) => {
    const rgb = parseInt(token(tintOf(digit)).slice(1), 16);
    return [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
  });
  return colours;
}

/** Paint a map over a picture that is drawn `scale` times as large; margins of `most` and more are densest. */
export function paint(context, { rows, columns, x, y, step_x, step_y, background, cells }, scale, most) {
  if (!rows || !columns) return;
  if (small.width !== columns || small.height !== rows) Object.assign(small, { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  const found = bytes(cells);
  const tints = palette();
  for (let i = 0; i < rows * columns; i += 1) {
    const digit = found[2 * i];
    if (digit === background) continue;
    const share = Math.min(1, found[2 * i + 1] / most);
    image.data.set(tints[digit % DIGITS], 4 * i);
    image.data[4 * i + 3] = 255 * DENSEST * share;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  context.save();
  context.imageSmoothingEnabled = false; // a window is a window: one answer each
  const [left, top] = [(x - step_x / 2) * scale, (y - step_y / 2) * scale];
  context.drawImage(small, left, top, columns * step_x * scale, rows * step_y * scale);
  context.restore();
}
