"use strict";
function add(parent, tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}
function limits(schema) {
  return Object.entries(schema).filter(([name]) => !["title", "description"].includes(name)).map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");
}
fetch("/openapi.json").then((answer) => answer.json()).then((api) => {
  const place = document.getElementById("routes");
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      add(place, "h2", `${method.toUpperCase()} ${path}`);
      add(place, "p", route.description || route.summary || "");
      const list = add(place, "ul", "");
      for (const one of route.parameters || []) add(list, "li", `${one.name}${one.required ? " (required)" : ""}: ${limits(one.schema)}`);
      const body = route.requestBody && Object.values(route.requestBody.content)[0].schema;
      const fields = body && body.$ref ? api.components.schemas[body.$ref.split("/").pop()].properties : {};
      for (const [name, schema] of Object.entries(fields)) add(list, "li", `${name}: ${limits(schema)}`);
    }
  }
});
