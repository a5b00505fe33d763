"""A program and its registers: a row for each instruction, a column for each register, what the first element is."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import BLUE, INK, ORANGE, PAPER, styled

SCALE = [[0.0, ORANGE], [0.5, PAPER], [1.0, BLUE]]


def register_trace(
    lines: list[str], registers: list[str], values: list[list[float | None]], written: list[str], title: str,
) -> go.Figure:
    """`values` after each line, None where nothing was written yet; what the line itself wrote is in bold."""
    text = [
        ["" if value is None else f"<b>{value:g}</b>" if name == target else f"{value:g}"
         for name, value in zip(registers, row, strict=True)]
        for row, target in zip(values, written, strict=True)
    ]
    largest = max((abs(value) for row in values for value in row if value is not None), default=1.0) or 1.0
    figure = go.Figure(go.Heatmap(
        z=values, x=registers, y=list(range(len(lines))), text=text, texttemplate="%{text}", xgap=2, ygap=1,
        colorscale=SCALE, zmin=-largest, zmax=largest, showscale=False, hoverinfo="skip",
        textfont={"color": INK, "size": 12},
    ))
    said = "; ".join(
        f"{line} makes {target} {row[registers.index(target)]:g}" for line, row, target
        in zip(lines, values, written, strict=True) if target)
    alt = f"A table of {len(lines)} instructions and {len(registers)} registers, the first element of each. {said}."
    styled(figure, title, "", "", alt, height=130 + 22 * len(lines))
    figure.update_layout(margin={"l": 190, "t": 80, "b": 20})
    figure.update_xaxes(side="top", showline=False, ticks="")
    return figure.update_yaxes(autorange="reversed", tickvals=list(range(len(lines))), ticktext=lines, showline=False,
                               ticks="", showgrid=False)
