function render({ model, el }) {
  const view = frame(model, el, "Weights, thresholds and one outlier");
  const table = model.get("table"), sizes = model.get("sizes"), edges = model.get("edges"), colours = model.get("colours");
  const low = edges[0], high = edges[edges.length - 1];
  const percent = (at) => `${(100 * (at - low)) / (high - low)}%`;

  const choose = (title, options) => {
    const select = element("select", {}, ...options.map((name) => element("option", {}, name)));
    select.addEventListener("change", () => draw());
    return [select, element("label", {}, title, select)];
  };
  const [shape, shapeLabel] = choose("The other weights", model.get("shapes"));
  const [rule, ruleLabel] = choose("become", model.get("rules"));
  const size = element("input", { type: "range", min: 0, max: sizes.length - 1, value: 0, "aria-label": "size of the one weight" });
  const shown = element("output");
  size.addEventListener("input", () => draw());

  const bars = edges.slice(1).map(() => {
    const parts = colours.map((colour) => element("div", { style: `background:${colour}` }));
    const bar = element("div", { style: "flex:1;display:flex;flex-direction:column;justify-content:flex-end" }, ...parts);
    return { bar, parts };
  });
  const line = () => element("div", { style: "position:absolute;top:0;bottom:0;border-left:2px dashed #222" });
  const thresholds = [line(), line()];
  const outlier = element("div", { style: "position:absolute;top:0.2em;padding:0 0.4em;background:#fff;"
    + "border:1px solid #D55E00;color:#a03000;font-size:13px;white-space:nowrap" });
  const plot = element("div", { "aria-hidden": "true",
    style: "position:relative;height:190px;display:flex;align-items:stretch;border-bottom:1px solid #222;overflow:hidden" },
    ...bars.map(({ bar }) => bar), ...thresholds, outlier);
  const ticks = element("div", { "aria-hidden": "true", class: "mmf-axis", style: "position:relative;height:1.4em" });
  for (let at = Math.ceil(low) + 1; at < high; at += 2) {
    ticks.append(element("span", { style: `position:absolute;left:${percent(at)};transform:translateX(-50%)` }, String(at)));
  }
  const legend = element("p", { class: "mmf-axis" }, ...["becomes less than 0", "becomes 0", "becomes more than 0"].flatMap(
    (name, i) => [element("span", { style: `display:inline-block;width:0.9em;height:0.9em;margin:0 0.3em -0.1em 0;`
      + `background:${colours[i]}` }), `${name}   `].map((part) => element("span", { style: "margin-right:0.3em" }, part))),
    "dashed: the thresholds");
  const axis = element("p", { class: "mmf-axis" }, "weight, in multiples of the others' mean size");
  const said = element("p", { role: "status" });

  const draw = () => {
    const at = sizes[size.value];
    const now = table[shape.value][rule.value][String(at)];
    const most = Math.max(...now.bins.map((counts) => counts.reduce((sum, count) => sum + count, 0)));
    bars.forEach(({ parts }, i) => parts.forEach((part, code) => {
      part.style.height = `${(82 * now.bins[i][code]) / most}%`;
    }));
    thresholds.forEach((mark, i) => {
      mark.style.left = percent(i ? now.threshold : -now.threshold);
      mark.hidden = now.threshold > high;
    });
    const beyond = at > high;
    shown.textContent = at === 1 ? "1, like the others" : `${at} times the others`;
    outlier.textContent = beyond ? `the one weight is at ${at}, off the picture →` : `↓ the one weight is at ${at}`;
    outlier.style.left = beyond ? "auto" : percent(at);
    outlier.style.right = beyond ? "0" : "auto";
    outlier.style.transform = beyond ? "" : at > 2 ? "translateX(-100%)" : "";
    said.textContent = now.said;
  };
  view.root.append(element("div", { class: "mmf-controls" }, shapeLabel, ruleLabel,
    element("label", {}, element("span", {}, "one weight: ", shown), size)), plot, ticks, axis, legend, said);
  draw();
  return view.close;
}

export default { render };
