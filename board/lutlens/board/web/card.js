// A model card's Markdown as elements: headings, tables, lists, paragraphs, `code` and **strong**.

import { element } from "./dom.js";

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) => {
    if (piece.startsWith("`") && piece.length > 2) return element("code", {}, piece.slice(1, -1));
    if (piece.startsWith("**") && piece.length > 4) return element("strong", {}, piece.slice(2, -2));
    return piece;
  });
}

const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function table(lines) {
  const rows = lines.filter((line) => !/^\|(?=.*-)[\s:|-]+\|$/.test(line)).map(cells);
  const [head, ...body] = rows;
  const row = (kind, texts) => element("tr", {}, ...texts.map((text) => element(kind, {}, ...inline(text))));
  const parts = [element("tbody", {}, ...body.map((texts) => row("td", texts)))];
  if (head.some(Boolean)) parts.unshift(element("thead", {}, row("th", head)));
  return element("table", {}, ...parts);
}

const BLOCKS = [
  [/^#{1,6} /, (lines) => element("h3", {}, ...inline(lines.join(" ").replace(/^#+ /, "")))],
  [/^\|/, table],
  [/^[-*] /, (lines) => element("ul", {}, ...lines.map((line) => element("li", {}, ...inline(line.replace(/^[-*] /, "")))))],
];

/** The elements of a card. Whatever is not understood is a paragraph. */
export function render(markdown) {
  const blocks = markdown.split(/\n\s*\n|\n(?=#{1,6} )|(?<=^#.*)\n/m).map((block) => block.trim());
  return blocks.filter(Boolean).map((block) => {
    const lines = block.split("\n");
    const [, make] = BLOCKS.find(([start]) => start.test(block)) ?? [];
    return make ? make(lines) : element("p", {}, ...inline(lines.join(" ")));
  });
}
