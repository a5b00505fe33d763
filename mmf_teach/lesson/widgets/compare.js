function render({ model, el }) {
  const view = frame(model, el, "A token of a MatMul-free model beside one of its MatMul twin");
  const table = model.get("table"), memories = model.get("memories");
  const colours = { arithmetic: "#D55E00", weights: "#56B4E9", "state or cache": "#009E73" };
  const causes = Object.keys(colours);
  const choose = (title, options) => {
    const select = element("select", { "aria-label": title }, ...options.map((name) => element("option", {}, name)));
    select.addEventListener("change", () => draw());
    return { control: select, value: () => select.value, put: (wanted) => { select.value = wanted; },
      label: element("label", {}, title, select) };
  };
  const slide = (title, values) => {
    const input = element("input", { type: "range", min: 0, max: values.length - 1, "aria-label": title });
    const shown = element("output");
    input.addEventListener("input", () => draw());
    return { value: () => values[input.value], put: (wanted) => { input.value = values.indexOf(wanted); },
      show: () => { shown.textContent = number(values[input.value]);
        input.setAttribute("aria-valuetext", number(values[input.value])); },
      label: element("label", {}, element("span", {}, `${title}: `, shown), input) };
  };
  const parts = { free: choose("model", model.get("free")), twin: choose("its twin", model.get("twins")),
    size: choose("size", model.get("sizes")), memory: choose("weights and state lie in", Object.keys(memories)),
    context: slide("tokens of context", model.get("contexts")), batch: slide("sequences in the batch", model.get("batches")) };
  const put = (setting) => { for (const [name, part] of Object.entries(parts)) part.put(setting[name]); };

  const bars = ["free", "twin"].map(() => {
    const name = element("th", { scope: "row", style: "width:17em" }), value = element("td", { class: "mmf-number" });
    const pieces = causes.map((cause) => element("div", { class: "mmf-bar", title: cause,
      style: `background:${colours[cause]};display:inline-block;min-width:0;height:14px` }));
    return { name, value, pieces, row: element("tr", {}, name, value,
      element("td", { class: "mmf-room", style: "white-space:nowrap;font-size:0" }, ...pieces)) };
  });
  const numbers = element("tbody");
  const said = element("p", { role: "status" });
  const losing = element("button", { type: "button" }, "Show a setting where MatMul-free does not win");
  const back = element("button", { type: "button" }, "Back to the beginning");
  losing.addEventListener("click", () => { put(model.get("losing")); draw(); });
  back.addEventListener("click", () => { put(model.get("start")); draw(); });

  const short = (value) => number(Number(value.toPrecision(3)));
  const line = ([a, b]) => a + b * parts.context.value();
  const microjoules = (entry) => {                  // by cause: value, low end, high end
    const price = memories[parts.memory.value()];
    const moved = [entry.weights / parts.batch.value() + entry.row, line(entry.kept)];
    return [entry.arithmetic.map(line), ...moved.map((bytes) => price.map((end) => bytes * end * 1e-6))];
  };
  const sum = (energies, end) => energies.reduce((total, part) => total + part[end], 0);

  const draw = () => {
    parts.context.show();
    parts.batch.show();
    const names = [parts.free.value(), parts.twin.value()];
    const entries = names.map((name) => table[name][parts.size.value()]);
    const energies = entries.map(microjoules);
    const totals = energies.map((each) => sum(each, 0)), longest = Math.max(...totals);
    bars.forEach(({ name, value, pieces }, i) => {
      name.textContent = names[i];
      value.textContent = `${short(totals[i])} µJ (${short(sum(energies[i], 1))} to ${short(sum(energies[i], 2))})`;
      pieces.forEach((piece, cause) => { piece.style.width = `${(100 * energies[i][cause][0]) / longest}%`; });
    });
    const rows = causes.map((cause, at) => [`${cause}, µJ`, energies.map((each) => short(each[at][0])), colours[cause]]);
    for (const kind of Object.keys(entries[0].operations)) {
      rows.push([kind, entries.map((entry) => number(line(entry.operations[kind]))), ""]);
    }
    numbers.replaceChildren(...rows.map(([title, cells, colour]) => element("tr", {},
      element("th", { scope: "row", style: colour ? `border-left:0.8em solid ${colour};padding-left:0.5em` : "" }, title),
      ...cells.map((cell) => element("td", { class: "mmf-number" }, cell)))));
    const most = totals[0] > totals[1] ? 0 : 1, ratio = Number((totals[most] / totals[1 - most]).toPrecision(2));
    const decides = causes.reduce((best, cause, at) => (energies[most][at][0] > energies[most][causes.indexOf(best)][0]
      ? cause : best), causes[0]);
    said.textContent = `${names[most]} needs ${number(ratio)} times the energy of ${names[1 - most]}; `
      + `most of it is ${decides} (modelled, arithmetic at 45 nm).`;
  };
  view.root.append(
    element("div", { class: "mmf-controls" }, ...Object.values(parts).map(({ label }) => label)),
    element("table", {}, ...bars.map(({ row }) => row)), said,
    element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "for one token"),
      element("th", { scope: "col", style: "text-align:right" }, "MatMul-free"),
      element("th", { scope: "col", style: "text-align:right" }, "twin"))), numbers),
    element("p", {}, losing, " ", back));
  put(model.get("start"));
  draw();
  return view.close;
}

export default { render };
