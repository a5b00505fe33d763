function render({ model, el }) {
  const view = frame(model, el, "Gates and memories over a text");
  const colours = model.get("colours");

  const text = element("textarea", { rows: 2, cols: 50, maxlength: model.get("longest"), "aria-label": "the text to read" });
  text.value = model.get("text");
  text.addEventListener("input", () => { model.set("text", text.value); model.save_changes(); });
  const picker = (trait, title, most) => {
    const input = element("input", { type: "number", min: 0, max: most() - 1, step: 1, style: "width:5em" });
    input.value = model.get(trait);
    input.addEventListener("change", () => {
      const wanted = Math.min(Math.max(0, Math.round(Number(input.value) || 0)), most() - 1);
      input.value = wanted;
      model.set(trait, wanted);
      model.save_changes();
    });
    return { input, label: element("label", {}, title, input) };
  };
  const block = picker("block", "Block", () => model.get("blocks"));
  const feature = picker("feature", model.get("counted"), () => model.get("features"));

  const problem = element("p", { class: "mmf-problem", role: "alert" });
  const plot = element("div", { "aria-hidden": "true", style: "overflow-x:auto" });
  const said = element("p", { role: "status" });
  const visible = (letter) => ({ " ": "␣", "\n": "⏎" }[letter] ?? letter);

  const row = (name, values) => {
    const most = Math.max(1, ...values.map(Math.abs));
    const below = values.some((value) => value < 0);
    const bars = values.map((value) => {
      const bar = element("div", { style: `position:absolute;left:1px;right:1px;background:${colours[value < 0 ? 0 : 1]};`
        + `height:${((below ? 50 : 100) * Math.abs(value)) / most}%;`
        + (value < 0 ? "top:50%" : `bottom:${below ? 50 : 0}%`) });
      return element("div", { style: "position:relative;flex:1;min-width:12px" }, bar);
    });
    const axis = element("div", { style: `position:absolute;left:0;right:0;border-top:1px solid #222;`
      + (below ? "top:50%" : "bottom:0") });
    return element("div", { style: "display:flex;margin-bottom:0.5em" },
      element("div", { style: "width:130px;flex:none;font-size:13px" }, `${name}, up to ${most.toFixed(1)}`),
      element("div", { style: "position:relative;display:flex;flex:1;height:56px" }, ...bars, axis));
  };

  const draw = () => {
    problem.textContent = model.get("problem");
    const rows = Object.entries(model.get("rows"));
    feature.input.max = model.get("features") - 1;
    const letters = [...model.get("text").slice(0, model.get("longest"))];
    if (model.get("problem") || !rows.length || rows[0][1].length !== letters.length) return;
    plot.replaceChildren(...rows.map(([name, values]) => row(name, values)),
      element("div", { style: "display:flex" }, element("div", { style: "width:130px;flex:none" }),
        ...letters.map((letter) => element("span", { style: "flex:1;min-width:12px;text-align:center;"
          + "font:14px 'DejaVu Sans Mono',monospace" }, visible(letter)))));
    said.replaceChildren(...model.get("said").flatMap((line) => [line, element("br")]));
  };
  view.root.append(
    element("div", { class: "mmf-controls" }, element("label", {}, "Text", text), block.label, feature.label),
    problem, plot, said);
  view.on("change", draw);
  draw();
  return view.close;
}

export default { render };
