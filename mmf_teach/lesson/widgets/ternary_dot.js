function render({ model, el }) {
  const view = frame(model, el, "A ternary dot product");
  const inputs = model.get("inputs"), actions = model.get("actions"), table = model.get("table");
  const furthest = inputs.reduce((sum, input) => sum + Math.abs(input), 0);

  const signed = (trit) => (trit > 0 ? "+1" : String(trit));
  const rows = inputs.map((input, i) => {
    const button = element("button", { type: "button", style: "width:4em;border-color:#555" });
    button.addEventListener("click", () => {
      const trits = [...model.get("trits")];
      trits[i] = trits[i] === 1 ? -1 : trits[i] + 1;           // -1, 0, +1, and round again
      model.set("trits", trits);
      model.save_changes();
    });
    const action = element("td"), sum = element("td", { class: "mmf-number" });
    const bar = element("div", { class: "mmf-bar", style: "position:absolute;top:0" });
    const zero = element("div", { style: "position:absolute;left:50%;top:-0.15em;width:1px;height:1.2em;background:#222" });
    const room = element("div", { style: "position:relative;height:0.9em" }, bar, zero);
    return { button, action, sum, bar, row: element("tr", {}, element("td", {}, button),
      element("td", { class: "mmf-number", style: "width:4em;padding-right:1.5em" }, String(input)), action, sum,
      element("td", { class: "mmf-room" }, room)) };
  });
  const said = element("p", { role: "status" });
  const titles = ["weight", "input", "what happens", "sum so far", ""].map((title, i) =>
    element("th", { scope: "col", style: i === 1 || i === 3 ? "text-align:right" : "" }, title));
  view.root.append(element("table", {}, element("thead", {}, element("tr", {}, ...titles)),
    element("tbody", {}, ...rows.map(({ row }) => row))), said);

  const draw = () => {
    const trits = model.get("trits"), colours = model.get("colours");
    const now = table[trits.join(",")];
    rows.forEach(({ button, action, sum, bar }, i) => {
      const trit = trits[i], does = actions[trit];
      button.textContent = signed(trit);
      button.style.background = colours[trit];
      button.style.color = trit === 1 ? "#fff" : "#222";
      button.setAttribute("aria-label", `weight ${i + 1} of ${inputs.length} is ${signed(trit)}: ${does} ${inputs[i]}`);
      action.textContent = `${does} ${inputs[i]}`;
      action.style.color = trit === 0 ? "#767676" : "#222";
      sum.textContent = String(now.sums[i]);
      const half = (50 * Math.abs(now.sums[i])) / furthest;
      bar.style.left = `${now.sums[i] < 0 ? 50 - half : 50}%`;
      bar.style.width = `${half}%`;
      bar.style.background = colours[trit];
    });
    said.textContent = `${now.said}.`;
  };
  view.on("change:trits", draw);
  draw();
  return view.close;
}

export default { render };
