"""How much models recall against how many numbers they keep: a line for each kind, a point for each width."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import COLORWAY, GREY, spelled, styled

SYMBOLS = ["circle", "square", "diamond", "x", "cross", "triangle-up", "star"]
Point = tuple[float, float]                  # numbers kept, share recalled


def recall_points(
    kinds: dict[str, list[Point]], colours: dict[str, str], chance: float, title: str, x: str, y: str,
) -> go.Figure:
    """The points of each kind joined in the order of their size, on a logarithmic axis; chance is a dotted line."""
    figure, said = go.Figure(), []
    for number, (kind, points) in enumerate(kinds.items()):
        points = sorted(points)
        colour = colours.get(kind, COLORWAY[number % len(COLORWAY)])
        figure.add_scatter(
            x=[kept for kept, _ in points], y=[share for _, share in points], name=kind, mode="lines+markers",
            line={"color": colour, "width": 2}, marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 10})
        said.append(f"{kind}: " + ", ".join(f"{share:.0%} with {spelled(kept)}" for kept, share in points))
    styled(figure, title, x, y, f"{y} against {x}. {'; '.join(said)}. Guessing gives {chance:.1%}.", height=460)
    figure.add_hline(y=chance, line={"color": GREY, "dash": "dot"})
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"})
    figure.update_xaxes(type="log", exponentformat="none")
    return figure.update_yaxes(range=[-0.03, 1.05], tickformat=".0%")
