"""What rounding loses against the bits it keeps, with the bound that no format can pass."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import COLORWAY, GREY, styled

SYMBOLS = ["circle", "square", "diamond"]
LABEL_PLACES = {"left": "middle left", "right": "middle right", "above": "top center", "below": "bottom center"}


def bits_and_error(
    sets: dict[str, dict[str, tuple[float, float]]], places: dict[str, str], title: str,
) -> go.Figure:
    """`sets` holds for each set of weights and each format (bits a weight, percent lost).

    The formats are named once, beside the first set's points; `places` says on which side. The bound is Shannon's
    for independent weights of a bell curve: 100 · 4^-bits.
    """
    figure = go.Figure()
    most = 0.5 + max(bits for points in sets.values() for bits, _ in points.values())
    ends = [0.75 + step * (most - 0.75) / 20 for step in range(21)]
    figure.add_scatter(
        x=[round(bits, 3) for bits in ends], y=[round(100 * 4**-bits, 4) for bits in ends], mode="lines",
        hoverinfo="skip", name="bound for a bell curve", line={"color": GREY, "width": 2, "dash": "dot"},
    )
    for number, (name, points) in enumerate(sets.items()):
        figure.add_scatter(
            x=[bits for bits, _ in points.values()], y=[lost for _, lost in points.values()], name=name,
            mode="markers+text" if number == 0 else "markers", text=[f" {label} " for label in points],
            textposition=[LABEL_PLACES[places[label]] for label in points],
            marker={"size": 11, "symbol": SYMBOLS[number % 3], "color": COLORWAY[number]},
        )
    said = " ".join(
        f"{name}: " + "; ".join(f"{label} {bits:.3g} bits, {lost:.3g} %" for label, (bits, lost) in points.items())
        + "." for name, points in sets.items()
    )
    alt = f"Points: share of the sum of squares lost, against bits a weight. {said}"
    x, y = "bits a weight, its part of the scales included", "lost, % of the sum of squares"
    styled(figure, title, x, y, alt, height=480)
    figure.update_yaxes(type="log", tickvals=[0.3, 1, 3, 10, 30, 100], ticktext=["0.3", "1", "3", "10", "30", "100"])
    figure.update_layout(legend={"y": -0.22, "yanchor": "top", "x": 0, "xanchor": "left"}, margin_b=110)
    return figure.update_xaxes(range=[0.6, most])
