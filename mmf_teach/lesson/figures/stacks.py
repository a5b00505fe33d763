"""Bars stacked from parts, such as energy by cause."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import spelled, styled


def stacked_bars(
    parts: dict[str, dict[str, float]], colours: dict[str, str], title: str, unit: str, log: bool = False,
) -> go.Figure:
    """`parts` holds for each bar the size of each part; the total is written at the end of the bar.

    With a logarithmic axis parts cannot be stacked: then they stand below one another.
    """
    names = list(parts)
    figure = go.Figure()
    for part, colour in colours.items():
        sizes = [parts[name].get(part, 0) for name in names]
        figure.add_bar(y=names, x=sizes, name=part, orientation="h", marker={"color": colour})
    totals = [sum(parts[name].values()) for name in names]
    if not log:
        figure.add_scatter(
            y=names, x=totals, mode="text", text=[f"  {spelled(total)}" for total in totals],
            textposition="middle right", showlegend=False, cliponaxis=False,
        )
        figure.update_layout(xaxis_range=[0, 1.18 * max(totals)])
    said = "; ".join(
        f"{name}: " + ", ".join(f"{part} {spelled(size)}" for part, size in parts[name].items()) for name in names
    )
    styled(figure, title, unit, "", f"Bars by part, in {unit}. {said}.", height=150 + (70 if log else 48) * len(names))
    figure.update_layout(barmode="group" if log else "stack", margin_t=90)
    if log:
        figure.update_xaxes(type="log", dtick=1)
    return figure.update_yaxes(autorange="reversed", showline=False, ticks="", showgrid=False, automargin=True)
