"""Something against a size that doubles: a context, a number of pairs; a line for each model."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import COLORWAY, GREY, spelled, styled

DASHES = ("solid", "dash", "dot", "dashdot")


def size_lines(
    sizes: list[int], curves: dict[str, list[float]], colours: dict[str, str], title: str, x: str, y: str,
    guessing: float | None = None,
) -> go.Figure:
    """For each name its value at each size, on logarithmic axes; or its share, where `guessing` is the share of chance.

    >>> size_lines([1, 2], {"a model": [3.0, 6.0]}, {}, "It doubles", "tokens", "bytes").layout.yaxis.type
    'log'
    """
    figure, spelt = go.Figure(), [f"{size:,}" for size in sizes]
    for number, (name, values) in enumerate(curves.items()):
        colour, dash = colours.get(name, COLORWAY[number % len(COLORWAY)]), DASHES[number % len(DASHES)]
        figure.add_scatter(
            x=sizes if guessing is None else spelt, y=values, name=name, mode="lines+markers",
            line={"color": colour, "width": 3, "dash": dash}, marker={"size": 7},
        )
    told = sorted({0, len(sizes) // 2, len(sizes) - 1})      # in words: both ends and the middle
    said = "; ".join(
        f"{name}: " + ", ".join(f"{spelled(values[at])} at {sizes[at]:,}" for at in told)
        for name, values in curves.items())
    scale = "" if guessing is None else f" Guessing gives {spelled(guessing)}."
    styled(figure, title, x, y, f"{y} against {x}. {said}.{scale}", height=460)
    beside = {"orientation": "v", "x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"}
    figure.update_layout(legend=beside)
    if guessing is None:
        figure.update_xaxes(type="log", tickvals=sizes, ticktext=spelt)
        return figure.update_yaxes(type="log", dtick=1, exponentformat="none")
    figure.update_xaxes(type="category")     # a size may be 0 here
    figure.add_hline(y=guessing, line={"color": GREY, "dash": "dot"}, annotation_text="guessing")
    return figure.update_yaxes(range=[-0.03, 1.05])
