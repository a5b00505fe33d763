// A button that moves to the step which `where` finds from the present one.
function mover(said, where, go) {
  const made = element("button", { type: "button" }, said);
  made.addEventListener("click", () => go(where()));
  return made;
}

// A row of the chart: its name, and a track on which bars are placed by their share of the whole time.
function track(name) {
  const bars = element("div", { style: "position:relative;flex:1;height:1.3em" });
  const label = element("span", { style: "width:6em;font-size:13px" }, name);
  return { bars, row: element("div", { style: "display:flex;align-items:center;margin:2px 0" }, label, bars) };
}

function placed(track, from, to, whole, colour) {
  const bar = element("div", { style: `position:absolute;top:0;height:100%;box-sizing:border-box;background:${colour};`
    + `left:${100 * from / whole}%;width:${100 * (to - from) / whole}%;border:1px solid #fff` });
  track.append(bar);
  return bar;
}

// What happens in a cycle, in words.
function inCycle(at, rows, now, last) {
  const working = rows.filter((row) => row.start <= at && at < row.end)
    .map((row) => `${row.unit} is in cycle ${at - row.start + 1} of ${row.end - row.start} of ${row.text}`);
  const row = rows[now];
  let issue = "All instructions are issued.";
  if (row && at < row.issued) {
    issue = `${row.text} waits for ${row.reason}: ${rows[row.blocker].text} has it until cycle ${row.issued}.`;
  } else if (row) {
    issue = `${row.text} is issued, and starts in the next cycle.`;
  }
  const rest = at >= last ? "The program is over." : "No unit is at work.";
  return `Cycle ${at}. ${issue} ${working.length ? `At work: ${working.join("; ")}.` : rest}`;
}

function render({ model, el }) {
  const clocked = model.get("clocked"), rows = model.get("rows"), last = model.get("last");
  const steps = clocked ? "clock cycle" : "instruction";
  const view = frame(model, el, `A program, ${steps} by ${steps}`);
  const colours = model.get("colours"), units = [...new Set(rows.map((row) => row.unit).filter(Boolean))];
  const events = [...new Set(rows.flatMap((row) => [row.issued, row.start, row.end]))].sort((a, b) => a - b);
  const here = () => model.get("at");
  const go = (to) => { model.set("at", Math.max(0, Math.min(last, to))); model.save_changes(); };
  const slide = slider(view, "at", clocked ? "clock cycle" : "instructions done", { min: 0, max: last, step: 1 });
  const buttons = clocked ? [
    mover("previous event", () => events.filter((cycle) => cycle < here()).pop() ?? 0, go),
    mover("previous cycle", () => here() - 1, go), mover("next cycle", () => here() + 1, go),
    mover("next event", () => events.find((cycle) => cycle > here()) ?? last, go),
  ] : [mover("previous", () => here() - 1, go), mover("next", () => here() + 1, go)];

  const tracks = Object.fromEntries(["waiting", ...units].map((name) => [name, track(name)]));
  const bars = rows.map((row) => ({
    work: row.unit ? placed(tracks[row.unit].bars, row.start, row.end, last + 1, colours[row.unit]) : null,
    wait: placed(tracks.waiting.bars, row.waits, row.issued, last + 1, model.get("waiting")),
  }));
  const marks = Object.values(tracks).map((each) => placed(each.bars, 0, 0, 1, "none"));
  for (const mark of marks) mark.style.cssText += ";border:0;border-left:2px solid #222";
  const chart = element("div", { role: "img", "aria-label": "When each unit works and when an instruction waits" },
    ...Object.values(tracks).map((each) => each.row));

  const items = rows.map((row) => element("li", {}, element("code", {}, row.text)));
  const listing = element("ol", { class: "mmf-lines", start: 1, tabindex: 0, "aria-label": "The program",
    style: "max-height:17em;overflow-y:auto;flex:1 1 17em;position:relative" }, ...items);
  const cells = Array.from({ length: model.get("registers") }, (_, number) => {
    const value = element("td", { style: "font-variant-numeric:tabular-nums;white-space:pre-wrap" });
    const row = element("tr", {}, element("th", { scope: "row", style: "width:2.5em" }, `v${number}`), value);
    return { value, row };
  });
  const table = element("table", { style: "flex:1 1 24em;width:auto", "aria-label": "Registers" },
    ...cells.map(({ row }) => row));
  const said = element("p", { role: "status", style: `min-height:${clocked ? 4.5 : 1.5}em;margin:0.4em 0` });
  view.root.append(element("div", { class: "mmf-controls" }, ...buttons, slide), ...(clocked ? [chart] : []), said,
    element("div", { class: "mmf-columns", style: "flex-wrap:wrap" }, listing, table));

  const draw = () => {
    const at = here();
    const done = (row, i) => (clocked ? row.end <= at : i < at);
    const working = (row) => clocked && row.start <= at && at < row.end;
    const now = clocked ? rows.findIndex((row) => row.waits <= at && at <= row.issued) : at - 1;
    items.forEach((item, i) => {
      item.style.background = i === now ? "#fff3c4" : "";
      item.style.opacity = done(rows[i], i) || working(rows[i]) || i === now ? 1 : 0.5;
      item.style.fontWeight = working(rows[i]) ? "bold" : "";
      item.setAttribute("aria-current", i === now ? "step" : "false");
    });
    bars.forEach(({ work, wait }, i) => {
      if (work) work.style.opacity = at < rows[i].start ? 0.35 : 1;
      wait.style.opacity = at < rows[i].waits ? 0.35 : 1;
    });
    for (const mark of marks) mark.style.left = `${100 * at / (last + 1)}%`;
    cells.forEach(({ value, row }, number) => {
      const latest = rows.filter((each, i) => each.target === number && done(each, i)).pop();
      const user = rows.find((each) => working(each) && each.names.includes(number));
      const held = latest ? `${latest.values.join("   ")}   ...` : "nothing yet";
      value.textContent = user ? `${held}   (used by ${user.text})` : held;
      row.style.color = latest || user ? "#222" : "#777";
      row.style.background = !clocked && rows[now]?.target === number ? "#fff3c4" : "";
    });
    const step = at ? `${rows[now]?.text}: ${rows[now]?.meaning}` : `${rows.length} instructions, none of them done.`;
    said.textContent = clocked ? inCycle(at, rows, now, last) : step;
    const item = items[Math.max(now, 0)];                      // kept in sight, and the page stays where it is
    if (item) listing.scrollTop = item.offsetTop - listing.clientHeight / 2;
  };
  view.on("change:at", draw);
  draw();
  return view.close;
}

export default { render };
