function render({ model, el }) {
  const view = frame(model, el, "Your prediction");
  const curve = model.get("curve"), choices = model.get("choices");
  const button = element("button", { type: "button" }, "Commit");
  const note = element("p", { role: "status" }), problem = element("p", { class: "mmf-problem", role: "alert" });
  let read, inputs;

  if (choices.length) {
    inputs = choices.map((choice) => element("input", { type: "radio", name: "choice", value: choice }));
    const form = element("form", { class: "mmf-choices" },     // a form of its own keeps two widgets' choices apart
      ...inputs.map((input) => element("label", {}, input, ` ${input.value}`)));
    form.addEventListener("submit", (event) => event.preventDefault());
    view.root.append(element("p", {}, model.get("question")), form, button);
    read = () => inputs.find((input) => input.checked)?.value ?? "";
  } else if (curve.xs) {
    inputs = curve.xs.map((x) => element("input", {
      type: "range", orient: "vertical", class: "mmf-vertical", min: curve.low, max: curve.high,
      step: (curve.high - curve.low) / 100, "aria-label": `${curve.y} at ${curve.x} ${x}`,
    }));
    const values = inputs.map(() => element("output"));
    const write = () => inputs.forEach((input, i) => { values[i].textContent = Number(input.value).toPrecision(2); });
    inputs.forEach((input) => { input.value = (curve.low + curve.high) / 2; input.addEventListener("input", write); });
    write();
    const columns = inputs.map((input, i) =>
      element("div", { class: "mmf-column" }, values[i], input, element("span", {}, String(curve.xs[i]))));
    view.root.append(element("p", {}, model.get("question")), element("p", { class: "mmf-axis" }, curve.y),
      element("div", { class: "mmf-columns" }, ...columns), element("p", { class: "mmf-axis" }, curve.x), button);
    read = () => inputs.map((input) => Number(input.value));
  } else {
    inputs = [element("input", { type: "text", inputmode: "decimal", size: 10 })];
    inputs[0].addEventListener("keydown", (event) => { if (event.key === "Enter") button.click(); });
    view.root.append(element("label", { class: "mmf-asked" }, model.get("question"), " ", inputs[0], " ",
      model.get("unit")), " ", button);
    read = () => inputs[0].value;
  }
  button.addEventListener("click", () => model.send(read()));
  view.root.append(problem, note);

  const draw = () => {
    const committed = model.get("committed"), guess = model.get("guess");
    problem.textContent = model.get("problem");
    if (!committed) return;
    button.hidden = true;
    inputs.forEach((input, i) => {
      input.disabled = true;
      if (choices.length) input.checked = input.value === guess;
      else input.value = curve.xs ? guess[i] : guess;
      input.dispatchEvent(new Event("input"));
    });
    note.textContent = "Committed. Run on to see.";
  };
  view.on("change", draw);
  draw();
  return view.close;
}

export default { render };
