"""How much rounding loses, against something that is turned up: a line for each way of rounding."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import INK, styled

SYMBOLS = ["circle", "square", "diamond", "x"]


def rounding_lines(
    xs: list[float], lines: dict[str, list[float]], colours: list[str], control: tuple[str, float], title: str, x: str,
    y: str,
) -> go.Figure:
    """`lines` in percent, a value for each of `xs` (log axis); the control is a dotted line at one height."""
    figure = go.Figure()
    for number, (name, values) in enumerate(lines.items()):
        figure.add_scatter(
            x=xs, y=values, name=name, mode="lines+markers", line={"color": colours[number], "width": 3},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9},
        )
    name, height = control
    figure.add_scatter(
        x=[xs[0], xs[-1]], y=[height, height], name=name, mode="lines", line={"color": INK, "width": 2, "dash": "dot"})
    said = "; ".join(
        f"{line}: " + ", ".join(f"{value:.3g} at {at:g}" for at, value in zip(xs, values, strict=True))
        for line, values in lines.items()
    )
    alt = f"Lines: {y}, against {x}. {said}. Dotted, {name}: {height:.3g}."
    styled(figure, title, x, y, alt, height=440)
    figure.update_xaxes(type="log", tickvals=xs, ticktext=[f"{at:g}" for at in xs])
    figure.update_layout(legend={"y": -0.26, "yanchor": "top", "x": 0, "xanchor": "left"}, margin_b=110)
    return figure.update_yaxes(range=[0, 105])
