"""A roofline with points under it."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import COLORWAY, INK, styled


def roofline(peak: float, bandwidth: float, points: dict[str, tuple[float, float]], title: str) -> go.Figure:
    """`peak` in operations and `bandwidth` in bytes a second; a point is (operations per byte, operations a second)."""
    ridge = peak / bandwidth
    xs = [at for at, _ in points.values()]
    left, right = min([ridge / 100, *xs]) / 2, max([ridge * 10, *xs]) * 2
    figure = go.Figure()
    figure.add_scatter(
        x=[left, ridge, right], y=[left * bandwidth, peak, peak], mode="lines", line={"color": INK, "width": 3},
        name="the roof", hoverinfo="skip",
    )
    shapes = ["circle", "diamond", "square", "x"]
    for number, (name, (x, y)) in enumerate(points.items()):
        marker = {"size": 12, "color": COLORWAY[number % 6], "symbol": shapes[number % 4]}
        figure.add_scatter(x=[x], y=[y], mode="markers", name=name, marker=marker)
    said = "; ".join(f"{name}: {x:.3g} operations a byte, {y:.3g} a second" for name, (x, y) in points.items())
    alt = f"Roofline: rises to {peak:.3g} operations a second at {ridge:.3g} operations a byte, then level. {said}."
    styled(figure, title, "operations per byte moved", "operations per second", alt, height=440)
    figure.update_xaxes(type="log", dtick=1)
    return figure.update_yaxes(type="log", dtick=1, exponentformat="power")
