function render({ model, el }) {
  const view = frame(model, el, "Five trits in a byte");
  const places = model.get("places"), rows = model.get("rows"), colours = model.get("colours");
  const used = rows.filter((trits) => trits).length;
  let trits = rows[model.get("byte")] ?? rows[0];              // the last five trits there were

  const signed = (trit) => (trit > 0 ? "+1" : String(trit));
  const byteOf = (wanted) => rows.findIndex((row) => row && row.every((trit, i) => trit === wanted[i]));
  const columns = places.map((place, i) => {
    const button = element("button", { type: "button", style: "width:4em;padding:0.35em 0;border-color:#555" });
    button.addEventListener("click", () => {
      const next = [...trits];
      next[i] = next[i] === 1 ? -1 : next[i] + 1;              // -1, 0, +1, and round again
      model.set("byte", byteOf(next));
      model.save_changes();
    });
    const there = element("span"), back = element("span");
    const column = element("div", { class: "mmf-column", style: "width:7.5em;gap:0.2em" }, button, there, back);
    return { button, there, back, column };
  });
  const slide = slider(view, "byte", "the byte, 0 to 255", { min: 0, max: 255, step: 1 });
  const bits = element("code", { style: "font-size:18px;letter-spacing:0.15em" });
  const said = element("p", { role: "status" });
  view.root.append(element("div", { class: "mmf-columns", style: "flex-wrap:wrap" }, ...columns.map(({ column }) => column)),
    element("p", {}, "in bits ", bits), element("div", { class: "mmf-controls" }, slide), said);

  const draw = () => {
    const byte = model.get("byte"), valid = rows[byte];
    trits = valid ?? trits;
    columns.forEach(({ button, there, back }, i) => {
      const trit = trits[i], digit = trit + 1;
      button.textContent = valid ? signed(trit) : "?";
      button.style.background = valid ? colours[trit] : "#fff";
      button.style.color = valid && trit === 1 ? "#fff" : "#222";
      button.setAttribute("aria-label", `trit ${i + 1} of ${places.length} is ${valid ? signed(trit) : "not known"}`);
      there.textContent = valid ? `${digit} × ${places[i]} = ${digit * places[i]}` : "–";
      back.textContent = valid ? `${byte} // ${places[i]} % 3 = ${digit}` : "–";
    });
    bits.textContent = byte.toString(2).padStart(8, "0");
    const sum = valid ? trits.map((trit, i) => (trit + 1) * places[i]).join(" + ") : "";
    said.textContent = valid
      ? `${sum} = ${byte}. The last row goes back: a digit less one is the trit.`
      : `${byte} is the code of no five trits: ${used} of the ${rows.length} bytes are used, ${byte} is not among them.`;
  };
  view.on("change:byte", draw);
  draw();
  return view.close;
}

export default { render };
