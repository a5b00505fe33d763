function render({ model, el }) {
  const view = frame(model, el, "Questions");
  const questions = model.get("questions"), taken = { ...model.get("answers") };
  if (!questions.length) {
    view.root.append("No earlier questions yet.");
    return view.close;
  }
  let at = 0;

  const count = element("p", { class: "mmf-axis" }), ask = element("p"), why = element("p", { role: "status" });
  const form = element("form", { class: "mmf-choices" });
  form.addEventListener("submit", (event) => event.preventDefault());
  const back = element("button", { type: "button" }, "Back"), next = element("button", { type: "button" }, "Next");
  back.addEventListener("click", () => { at -= 1; draw(); });
  next.addEventListener("click", () => { at += 1; draw(); });
  view.root.append(count, ask, form, why, element("div", { class: "mmf-controls" }, back, next));

  const explain = (choice) => { why.textContent = `${choice.right ? "Right." : "Not quite."} ${choice.why}`; };
  const draw = () => {
    const { id, ask: text, choices } = questions[at];
    const right = questions.filter((q) => q.id in taken && q.choices[taken[q.id]].right).length;
    count.textContent = `Question ${at + 1} of ${questions.length}; ${right} right at the first go`;
    ask.textContent = text;
    why.textContent = "";
    form.replaceChildren(...choices.map((choice, number) => {
      const input = element("input", { type: "radio", name: "choice" });
      input.addEventListener("change", () => {
        if (!(id in taken)) { taken[id] = number; model.send({ id, choice: number }); }
        explain(choice);
      });
      if (taken[id] === number) { input.checked = true; explain(choice); }
      return element("label", {}, input, ` ${choice.say}`);
    }));
    back.disabled = at === 0;
    next.disabled = at === questions.length - 1;
  };
  draw();
  return view.close;
}

export default { render };
