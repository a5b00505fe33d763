// Parts that all widgets are put together from. Nothing here is looked up by id, so two copies on a page get along.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The box a widget lives in. `on` listens to the model until `close`, which render returns.
// JupyterLab moves between cells on arrow keys; inside a widget they belong to its sliders and buttons.
function frame(model, el, title) {
  const root = element("section", { class: "mmf", role: "group", "aria-label": title });
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  const heard = [];
  const on = (event, listener) => { model.on(event, listener); heard.push([event, listener]); };
  const close = () => { for (const [event, listener] of heard) model.off(event, listener); };
  return { model, root, on, close };
}

// A slider that shows its value and keeps a trait of the model in step. A label names the first control inside it,
// which is the output: the slider needs a name of its own.
function slider({ model, on }, trait, title, { min, max, step, show = String }) {
  const input = element("input", { type: "range", min, max, step, "aria-label": title });
  const value = element("output");
  const draw = () => { input.value = model.get(trait); value.textContent = show(model.get(trait)); };
  input.addEventListener("input", () => { model.set(trait, Number(input.value)); model.save_changes(); });
  on(`change:${trait}`, draw);
  draw();
  return element("label", {}, element("span", {}, `${title}: `, value), input);
}

const number = (value) => value.toLocaleString("en-GB");
