"""Histograms of weights, coloured by the trit that each becomes, with the thresholds between."""

from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mmf_teach.lesson.figures.style import AXIS, INK, MINUS, PLUS, ZERO, styled

COLOURS = {"becomes -1": MINUS, "becomes 0": ZERO, "becomes +1": PLUS}


@dataclass(frozen=True)
class Panel:
    title: str
    bins: list[list[int]]                    # for each bar: how many weights become -1, 0, +1
    threshold: float                         # weights up to this size become 0
    said: str                                # what is written under the title


def weight_histograms(panels: list[Panel], edges: list[float], title: str, x: str, columns: int = 2) -> go.Figure:
    """One histogram a panel, all with the same bars; `edges` are the ends of the bars."""
    rows = -(-len(panels) // columns)
    middles = [(left + right) / 2 for left, right in pairwise(edges)]
    figure = make_subplots(
        rows, columns, subplot_titles=[f"<b>{panel.title}</b><br>{panel.said}" for panel in panels],
        shared_xaxes="all", shared_yaxes="all", vertical_spacing=0.24, horizontal_spacing=0.06,
    )
    for number, panel in enumerate(panels):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        for code, (name, colour) in enumerate(COLOURS.items()):
            figure.add_bar(
                x=middles, y=[counts[code] for counts in panel.bins], name=name, marker={"color": colour},
                legendgroup=name, showlegend=number == 0, **place,
            )
        for side in (-1, 1):
            if panel.threshold <= edges[-1]:
                figure.add_vline(side * panel.threshold, line={"color": INK, "width": 2, "dash": "dash"}, **place)
    said = "; ".join(
        f"{panel.title}: weights up to {panel.threshold:.3g} become 0; {panel.said}" for panel in panels)
    alt = f"{len(panels)} histograms of weights, {x}. {said}."
    styled(figure, title, "", "", alt, height=220 + 200 * rows)
    figure.update_layout(barmode="stack", bargap=0, margin={"t": 110, "l": 50, "b": 110})
    figure.update_layout(legend={"y": -0.24, "yanchor": "top", "x": 0, "xanchor": "left"})
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(**AXIS, range=[edges[0], edges[-1]])
    figure.update_xaxes(title={"text": x, "font": {"size": 13}}, row=rows)
    highest = max(sum(counts) for panel in panels for counts in panel.bins)
    return figure.update_yaxes(**AXIS, range=[0, 1.05 * highest])
