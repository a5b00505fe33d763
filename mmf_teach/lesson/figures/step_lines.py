"""A few lines against steps or rates, with every single run as a dot where there are several."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import spelled, styled

DASHES, SYMBOLS = ["solid", "dash", "dot"], ["circle", "diamond", "square"]
Line = tuple[list[float], list[float], str]              # xs, ys, colour


def step_lines(
    lines: dict[str, Line], title: str, x: str, y: str, dots: dict[str, tuple[list[float], list[float]]] | None = None,
    logarithmic: bool = False,
) -> go.Figure:
    """A line for each name; `dots` lie around the line of the same name."""
    figure, dots = go.Figure(), dots or {}
    for number, (name, (xs, ys, colour)) in enumerate(lines.items()):
        dash, symbol = DASHES[number % len(DASHES)], SYMBOLS[number % len(SYMBOLS)]
        figure.add_scatter(x=xs, y=ys, name=name, mode="lines", line={"color": colour, "width": 3, "dash": dash})
        if name in dots:
            marker = {"color": colour, "size": 8, "symbol": symbol}
            figure.add_scatter(x=dots[name][0], y=dots[name][1], mode="markers", marker=marker, showlegend=False)
    said = "; ".join(
        f"{name}: {spelled(ys[0])} at {spelled(xs[0])}, lowest {spelled(min(ys))} at {spelled(xs[ys.index(min(ys))])}, "
        f"{spelled(ys[-1])} at {spelled(xs[-1])}" for name, (xs, ys, _) in lines.items())
    styled(figure, title, x, y, f"Lines: {y}, against {x}. {said}.", height=440)
    figure.update_layout(legend={"y": -0.22, "yanchor": "top", "x": 0, "xanchor": "left"}, margin_b=110)
    if logarithmic:
        ticks = sorted({at for xs, *_ in lines.values() for at in xs})
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{at:g}" for at in ticks])
    return figure
