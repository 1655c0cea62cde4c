// The API's reference, drawn from the service's own OpenAPI description.

import { render } from "./card.js";
import { byId, element } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

const description = await (await fetch("/api/v1/openapi.json")).json();
const schemas = description.components.schemas;

const nameOf = (reference) => reference.split("/").at(-1);

/** A schema in one line, such as `{k: integer, files: [FileResult]}`. */
function outline(schema, deep = false) {
  if (!schema) return "";
  if (schema.$ref) return deep ? outline(schemas[nameOf(schema.$ref)]) : nameOf(schema.$ref);
  if (schema.anyOf) return schema.anyOf.map((one) => outline(one)).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `[${outline(schema.items)}]`;
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, of]) => {
      const note = of.description ? `  // ${of.description}` : "";
      return `  ${name}: ${outline(of)}${note}`;
    });
    return `{\n${fields.join("\n")}\n}`;
  }
  if (schema.additionalProperties) return `{*: ${outline(schema.additionalProperties)}}`;
  return schema.format === "binary" ? "file" : (schema.type ?? "any");
}

function part(title, text) {
  return [element("h3", {}, title), element("pre", {}, text)];
}

function operation(method, path, described) {
  const [first, ...more] = (described.description ?? "").split("\n\n");
  const body = element("div", {}, ...render(more.join("\n\n")));
  const parameters = described.parameters ?? [];
  if (parameters.length) {
    const lines = parameters.map((p) => `${p.name} (${p.in}): ${outline(p.schema)}${p.schema.description ? `  // ${p.schema.description}` : ""}`);
    body.append(...part("Parameters", lines.join("\n")));
  }
  for (const [type, { schema }] of Object.entries(described.requestBody?.content ?? {})) {
    body.append(...part(`Body, ${type}`, outline(schema, true)));
  }
  for (const [status, { description, content }] of Object.entries(described.responses)) {
    if (!status.startsWith("2")) continue;
    for (const [type, { schema }] of Object.entries(content ?? {})) {
      body.append(...part(`${status}, ${type}`, outline(schema, true) || description));
    }
  }
  const fails = Object.entries(described.responses).filter(([status]) => /^[45]/.test(status));
  if (fails.length) {
    body.append(...part("Problems", fails.map(([status, { description }]) => `${status} ${description}`).join("\n")));
  }
  return element(
    "details",
    { className: "operation" },
    element("summary", {}, element("b", {}, method.toUpperCase()), element("code", {}, path), element("span", {}, first)),
    body,
  );
}

const groups = new Map(description.tags.map((tag) => [tag.name, { tag, operations: [] }]));
for (const [path, methods] of Object.entries(description.paths)) {
  for (const method of METHODS.filter((name) => methods[name])) {
    groups.get(methods[method].tags[0]).operations.push(operation(method, path, methods[method]));
  }
}
const sections = [...groups.values()].flatMap(({ tag, operations }) => [
  element("h2", {}, tag.name, element("small", {}, tag.description)),
  ...operations,
]);
byId("reference").replaceChildren(...render(description.info.description), ...sections);
