"""A row of small grey pictures, each with its label."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mmf_teach.lesson.figures.style import INK, PAPER, styled


def small_pictures(pictures: list[list[list[float]]], labels: list[str], title: str, what: str) -> go.Figure:
    """`pictures` as rows of pixels, paper 0 and ink 1; `what` says in words what they are."""
    figure = make_subplots(1, len(pictures), subplot_titles=labels, horizontal_spacing=0.01)
    for number, picture in enumerate(pictures, start=1):
        figure.add_heatmap(
            z=picture, zmin=-0.5, zmax=1.5, colorscale=[[0, PAPER], [1, INK]], showscale=False, hoverinfo="skip",
            row=1, col=number,
        )
    styled(figure, title, "", "", f"{len(pictures)} small pictures: {what}. Shown: {', '.join(labels)}.", height=210)
    figure.update_layout(margin={"t": 90, "b": 20, "l": 20})
    figure.update_xaxes(visible=False)
    return figure.update_yaxes(visible=False, autorange="reversed", scaleanchor="x")
