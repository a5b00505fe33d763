function render({ model, el }) {
  const view = frame(model, el, "Bytes moved for one written token");
  const table = model.get("table"), contexts = model.get("contexts"), batches = model.get("batches");
  const free = model.get("free");
  const rival = element("select", {}, ...model.get("rivals").map((name) => element("option", {}, name)));
  rival.addEventListener("change", () => draw());
  const chosen = (title, values, at) => {
    const input = element("input", { type: "range", min: 0, max: values.length - 1, value: at, "aria-label": title });
    const shown = element("output");
    input.addEventListener("input", () => draw());
    return { input, shown, value: () => values[input.value],
      label: element("label", {}, element("span", {}, `${title}: `, shown), input) };
  };
  const context = chosen("tokens of context", contexts, 4), batch = chosen("sequences in the batch", batches, 0);

  const row = (name) => {
    const value = element("td", { class: "mmf-number" });
    const weights = element("div", { class: "mmf-bar", style: "background:#56B4E9" });
    const kept = element("div", { class: "mmf-bar", style: "background:#D55E00" });
    const title = element("th", { scope: "row" }, name);
    return { title, value, weights, kept, row: element("tr", {}, title, value,
      element("td", { class: "mmf-room" }, element("div", { style: "display:flex" }, weights, kept))) };
  };
  const theirs = row(""), ours = row(free);
  const said = element("p", { role: "status" });

  const megabytes = (value) => `${number(Number(value.toPrecision(3)))} MB`;
  const draw = () => {
    context.shown.textContent = number(context.value());
    batch.shown.textContent = String(batch.value());
    const of = (name) => table[name][String(context.value())][String(batch.value())];
    const pairs = [[theirs, of(rival.value)], [ours, of(free)]];
    const longest = Math.max(...pairs.map(([, [a, b]]) => a + b));
    theirs.title.textContent = rival.value;
    for (const [{ value, weights, kept }, [a, b]] of pairs) {
      value.textContent = `${megabytes(a)} weights, ${megabytes(b)} kept`;
      weights.style.width = `${(100 * a) / longest}%`;
      kept.style.width = `${(100 * b) / longest}%`;
    }
    const [left, right] = pairs.map(([, [a, b]]) => a + b);
    said.textContent = `${rival.value}: ${number(Number((left / right).toPrecision(3)))} times the bytes of ${free} `
      + `for one token (modelled, 2.7B)`;
  };
  view.root.append(
    element("div", { class: "mmf-controls" }, element("label", {}, "Transformer: ", rival), context.label, batch.label),
    element("table", {}, theirs.row, ours.row), said);
  draw();
  return view.close;
}

export default { render };
