"""Sizes over many powers of ten, against sizes as well or along a row of places."""

from math import log10

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import INK, spelled, styled

DASHES = ["solid", "dash", "dot", "dashdot"]
Line = tuple[list[float], str]               # a value for each of the xs, and its colour


def power_lines(
    xs: list[float], lines: dict[str, Line], title: str, x: str, y: str, here: tuple[float, str] | None = None,
    places: bool = False,
) -> go.Figure:
    """A line for each name, on logarithmic axes; `here` marks one x with a word; `places` are 0, 1, 2, ... in a row."""
    figure = go.Figure()
    for number, (name, (values, colour)) in enumerate(lines.items()):
        figure.add_scatter(
            x=xs, y=values, name=name, mode="lines+markers",
            line={"color": colour, "width": 3, "dash": DASHES[number % len(DASHES)]}, marker={"size": 8})
    said = "; ".join(
        f"{name}: {spelled(values[0])} at {spelled(xs[0])}, {spelled(values[-1])} at {spelled(xs[-1])}"
        for name, (values, _) in lines.items())
    mark = f" A mark at {spelled(here[0])}: {here[1]}." if here else ""
    axes = "a logarithmic axis" if places else "logarithmic axes"
    styled(figure, title, x, y, f"Lines on {axes}: {y}, against {x}. {said}.{mark}", height=460)
    if here:
        figure.add_vline(x=here[0], line={"color": INK, "width": 1, "dash": "dot"})
        figure.add_annotation(                           # an annotation, unlike a line, counts in powers of ten
            x=log10(here[0]), y=0, yref="paper", text=here[1], showarrow=False, xanchor="left", yanchor="bottom")
    figure.update_layout(legend={"y": -0.22, "yanchor": "top", "x": 0, "xanchor": "left"}, margin_b=140)
    figure.update_xaxes(**{"dtick": 1} if places else {"type": "log", "exponentformat": "power", "dtick": 1})
    return figure.update_yaxes(type="log", exponentformat="power")
