function render({ model, el }) {
  const view = frame(model, el, "Energy of a matrix-vector product");
  const table = model.get("table"), batches = model.get("batches");
  const choose = (title, options) => {
    const select = element("select", {}, ...options.map((name) => element("option", {}, name)));
    select.addEventListener("change", () => draw());
    return [select, element("label", {}, title, select)];
  };
  const [format, formatLabel] = choose("Weights as", model.get("formats"));
  const [place, placeLabel] = choose("fetched from", model.get("places"));
  const batch = element("input", { type: "range", min: 0, max: batches.length - 1, value: 0 });
  const vectors = element("output");
  batch.addEventListener("input", () => draw());
  format.value = "fp16";

  const rows = [["arithmetic", "#D55E00"], ["fetching weights", "#56B4E9"]].map(([name, colour]) => {
    const value = element("td", { class: "mmf-number" });
    const bar = element("div", { class: "mmf-bar", style: `background:${colour}` });
    return { value, bar, row: element("tr", {}, element("th", { scope: "row" }, name), value,
      element("td", { class: "mmf-room" }, bar)) };
  });
  const said = element("p", { role: "status" });

  const draw = () => {
    const size = batches[batch.value];
    const parts = table[format.value][place.value][String(size)];
    const total = parts[0] + parts[1];
    vectors.textContent = String(size);
    rows.forEach(({ value, bar }, i) => {
      value.textContent = `${number(Number(parts[i].toPrecision(3)))} nJ`;
      bar.style.width = `${(100 * parts[i]) / total}%`;
    });
    said.textContent = `${number(Number(total.toPrecision(3)))} nJ for each vector, `
      + `${((100 * parts[0]) / total).toPrecision(2)} % of it arithmetic (modelled, 45 nm)`;
  };
  view.root.append(
    element("div", { class: "mmf-controls" }, formatLabel, placeLabel,
      element("label", {}, element("span", {}, "vectors that share a fetch: ", vectors), batch)),
    element("table", {}, ...rows.map(({ row }) => row)), said);
  draw();
  return view.close;
}

export default { render };
