// Building blocks of the page: elements by id, new elements, theme colours, a digit's colour.

export const byId = (id) => document.getElementById(id);

/** A new element with properties (dataset by `data`, custom style properties by `style`) and children. */
export function element(tag, { data = {}, style = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(style)) made.style.setProperty(name, value);
  made.append(...children);
  return made;
}

/** Set an element's text only if it differs: the layout and screen readers are left alone. */
export function say(target, text) {
  const value = String(text);
  if (target.textContent !== value) target.textContent = value;
}

/** The bytes of a base64 text. */
export const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

let tokens = null;
addEventListener("themechange", () => {
  tokens = null;
});

/** A colour of the current theme, such as `--accent`. */
export function token(name) {
  tokens ??= getComputedStyle(document.documentElement);
  return tokens.getPropertyValue(name).trim();
}

// The resistor colour code has ten colours; a further class begins again.
const DARK = new Set([0, 1, 2, 6, 7]);

export const tintOf = (digit) => `--digit-${digit % 10}`;

/** The colour for a bar: the digit's, or a stand-in where that would sink into the ground. */
export const barOf = (digit) => `var(--bar-${digit % 10}, var(--digit-${digit % 10}))`;

export const isDark = (digit) => DARK.has(digit % 10);

/** Paint an image, a byte a pixel or three of red, green and blue, on a canvas that becomes as large. */
export function paint(canvas, values, [height, width, channels]) {
  if (values.length !== width * height * channels) return; // of an overlay that is no longer there
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    const [red, green = red, blue = red] = values.subarray(channels * i, channels * (i + 1));
    image.data.set([red, green, blue, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Name a class: a digit has a square to itself, a word takes the room that it needs, or ends in an ellipsis. */
export function name(target, label) {
  say(target, label);
  target.classList.toggle("word", label.length > 2);
  target.title = label.length > 2 ? label : "";
}

/** Dress an element in a digit's colour. */
export function tint(target, digit) {
  target.classList.add("tint");
  target.style.setProperty("--tint", `var(${tintOf(digit)})`);
  target.toggleAttribute("data-dark", isDark(digit));
}

/** Make a canvas as sharp as the screen; returns its context, scaled to CSS pixels, and its size in them. */
export function fit(canvas) {
  const ratio = devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}
