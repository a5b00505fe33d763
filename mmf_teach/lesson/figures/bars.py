"""Counts as horizontal bars with the number written at each end."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import styled


def count_bars(counts: dict[str, int], colours: dict[str, str], title: str, unit: str) -> go.Figure:
    """One bar a name, the first on top."""
    names = list(counts)
    figure = go.Figure(go.Bar(
        y=names, x=[counts[name] for name in names], orientation="h",
        text=[f" {counts[name]:,}" for name in names], textposition="outside", cliponaxis=False,
        marker={"color": [colours[name] for name in names]},
    ))
    alt = f"Bars, {unit}. " + "; ".join(f"{name}: {counts[name]:,}" for name in names) + "."
    styled(figure, title, unit, "", alt, height=150 + 50 * len(names))
    figure.update_layout(margin_t=60, xaxis_range=[0, 1.2 * max(counts.values())])     # room for the numbers
    return figure.update_yaxes(autorange="reversed", showline=False, ticks="", showgrid=False, automargin=True)
