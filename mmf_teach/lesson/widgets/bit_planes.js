function render({ model, el }) {
  const view = frame(model, el, "A dot product by counting bits");
  const codes = model.get("codes"), table = model.get("table"), places = model.get("places");

  const signed = (trit) => (trit > 0 ? "+1" : String(trit));
  const narrow = "width:3.2em;text-align:center";
  const rows = codes.map((code, i) => {
    const button = element("button", { type: "button", style: "width:4em;border-color:#555" });
    button.addEventListener("click", () => {
      const trits = [...model.get("trits")];
      trits[i] = trits[i] === 1 ? -1 : trits[i] + 1;           // -1, 0, +1, and round again
      model.set("trits", trits);
      model.save_changes();
    });
    const bits = places.map(() => element("td", { style: narrow }));
    return { button, bits, row: element("tr", {}, element("td", {}, button),
      element("td", { class: "mmf-number", style: "width:4em;padding-right:1.5em" }, String(code)), ...bits) };
  });
  const counts = places.map(() => element("td", { style: `${narrow};font-weight:bold;border-top:1px solid #222` }));
  const foot = element("tr", {}, element("td"), element("th", { scope: "row", style: "text-align:right" }, "counted"),
    ...counts);
  const said = element("p", { role: "status" });
  const titles = ["weight", "code", ...places.map(String)].map((title, i) =>
    element("th", { scope: "col", style: i < 2 ? "text-align:left" : narrow }, title));
  view.root.append(element("table", {}, element("thead", {}, element("tr", {}, ...titles)),
    element("tbody", {}, ...rows.map(({ row }) => row), foot)), said);

  const draw = () => {
    const trits = model.get("trits"), colours = model.get("colours");
    const now = table[trits.join(",")];
    rows.forEach(({ button, bits }, i) => {
      const trit = trits[i];
      button.textContent = signed(trit);
      button.style.background = colours[trit];
      button.style.color = trit === 1 ? "#fff" : "#222";
      button.setAttribute("aria-label", `weight ${i + 1} of ${codes.length} is ${signed(trit)}`);
      bits.forEach((cell, b) => {
        const bit = now.bits[i][b];
        cell.textContent = trit === 0 ? "" : String(bit);
        cell.style.background = bit ? colours[trit] : "";
        cell.style.color = bit && trit === 1 ? "#fff" : "#222";
      });
    });
    counts.forEach((cell, b) => {
      cell.textContent = String(now.bits.reduce((sum, row) => sum + row[b], 0));
    });
    said.textContent = now.said;
  };
  view.on("change:trits", draw);
  draw();
  return view.close;
}

export default { render };
