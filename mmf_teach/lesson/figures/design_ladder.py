"""Designs one below the other: how fast each is, and how fast its lanes and its memory port would let it be."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import BLUE, GREY, INK, VERMILION, spelled, styled


def design_ladder(steps: dict[str, tuple[float, float, float]], title: str, unit: str) -> go.Figure:
    """For each design its speed, that of its lanes and that of its port, on a logarithmic axis; the first on top."""
    names = list(steps)
    figure = go.Figure()
    figure.add_bar(
        y=names, x=[speed for speed, _, _ in steps.values()], orientation="h", name="simulated", marker={"color": BLUE},
        text=[f" {spelled(speed)}" for speed, _, _ in steps.values()], textposition="auto", insidetextanchor="end",
        constraintext="none", cliponaxis=False,
    )
    for place, said, colour, symbol in ((1, "if no lane waited", VERMILION, "diamond-open"),
                                        (2, "if the port never rested", INK, "line-ns-open")):
        figure.add_scatter(
            y=names, x=[each[place] for each in steps.values()], mode="markers", name=said,
            marker={"symbol": symbol, "size": 14, "color": colour, "line": {"width": 3, "color": colour}},
        )
    said = "; ".join(
        f"{name}: {spelled(speed)}, lanes allow {spelled(lanes)}, port {spelled(port)}"
        for name, (speed, lanes, port) in steps.items())
    alt = f"Bars on a logarithmic axis, {unit}. {said}."
    styled(figure, title, unit, "", alt, height=min(600, 170 + 34 * len(names)))
    figure.update_layout(margin={"l": 160, "t": 100}, bargap=0.25)
    figure.update_xaxes(type="log", dtick=1, gridcolor=GREY)
    return figure.update_yaxes(categoryorder="array", categoryarray=names[::-1])
