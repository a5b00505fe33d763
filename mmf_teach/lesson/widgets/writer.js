const COLOURS = {
  "additions": "#0072B2", "subtractions": "#E69F00", "zeros skipped": "#C8C8C8",
  "multiplications left": "#D55E00", "a dense twin would multiply": "#CC79A7",
};
const SETTINGS = ["prompt", "temperature", "length"];

function render({ model, el }) {
  const view = frame(model, el, "The model writes, its operations counted");

  const prompt = element("input", { type: "text", maxlength: 200 });
  prompt.value = model.get("prompt").trimEnd();
  prompt.addEventListener("input", () => { model.set("prompt", prompt.value + "\n"); model.save_changes(); });
  const button = element("button", { type: "button" });
  const write = () => model.send(Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)])));
  button.addEventListener("click", () => { if (model.get("busy")) model.send("stop"); else write(); });
  prompt.addEventListener("keydown", (event) => { if (event.key === "Enter" && !model.get("busy")) write(); });

  const text = element("div", { class: "mmf-text", tabindex: 0, role: "log", "aria-label": "what the model writes" });
  const problem = element("p", { class: "mmf-problem", role: "alert" });
  const rows = Object.keys(COLOURS).map((name) => {
    const count = element("td", { class: "mmf-number" });
    const bar = element("div", { class: "mmf-bar", style: `background:${COLOURS[name]}` });
    const row = element("tr", {}, element("th", { scope: "row" }, name), count,
      element("td", { class: "mmf-room" }, bar));
    return { name, count, bar, row };
  });
  const speed = element("p", {});

  const draw = () => {
    const operations = model.get("operations"), busy = model.get("busy");
    button.textContent = busy ? "Stop" : "Write";
    text.replaceChildren(element("b", {}, model.get("prompt")), model.get("text"));
    if (busy) text.scrollTop = text.scrollHeight;
    problem.textContent = model.get("problem");
    const most = Math.max(1, ...Object.values(operations));
    for (const { name, count, bar } of rows) {
      count.textContent = number(operations[name] ?? 0);
      bar.style.width = `${(100 * (operations[name] ?? 0)) / most}%`;
    }
    const rate = model.get("letters_per_second");
    speed.textContent = rate ? `${rate.toFixed(0)} letters per second (measured here)` : "";
  };

  view.root.append(
    element("div", { class: "mmf-controls" },
      element("label", {}, "Begin with", prompt),
      slider(view, "temperature", "Temperature", { min: 0, max: 1.5, step: 0.1, show: (value) => value.toFixed(1) }),
      slider(view, "length", "Letters", { min: 50, max: 600, step: 50 }),
      button),
    problem, text,
    element("table", {}, element("caption", {}, "operations so far (counted)"), ...rows.map(({ row }) => row)),
    speed,
  );
  view.on("change", draw);
  draw();
  return view.close;
}

export default { render };
