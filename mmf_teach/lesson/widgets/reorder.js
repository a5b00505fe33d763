function render({ model, el }) {
  const view = frame(model, el, "Lines to put in order");
  const lines = model.get("lines"), order = lines.map((_, i) => i);
  const list = element("ol", { class: "mmf-lines" }), said = element("pre", { role: "status" });
  const button = element("button", { type: "button" }, "Check");
  button.addEventListener("click", () => model.send([...order]));
  view.root.append(element("p", {}, model.get("ask")), list, button, said);

  const move = (from, to, way) => {
    order.splice(to, 0, order.splice(from, 1)[0]);
    draw();
    list.children[to].querySelector(`button:${way}-of-type`).focus();    // the keyboard stays with the line
  };
  const draw = () => {
    list.replaceChildren(...order.map((line, at) => {
      const up = element("button", { type: "button", "aria-label": `move line ${at + 1} up` }, "↑");
      const down = element("button", { type: "button", "aria-label": `move line ${at + 1} down` }, "↓");
      up.disabled = at === 0;
      down.disabled = at === order.length - 1;
      up.addEventListener("click", () => move(at, at - 1, at === 1 ? "last" : "first"));
      down.addEventListener("click", () => move(at, at + 1, at === order.length - 2 ? "first" : "last"));
      return element("li", {}, up, down, element("code", {}, lines[line]));
    }));
  };
  view.on("change:said", () => { said.textContent = model.get("said"); });
  draw();
  return view.close;
}

export default { render };
