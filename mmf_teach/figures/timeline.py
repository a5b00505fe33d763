"""A Gantt chart: which unit works when, and which instruction stands waiting."""

import plotly.graph_objects as go

from mmf_teach.figures.style import BLUE, GREEN, INK, ORANGE, PURPLE, ZERO, spelled, styled

UNIT_COLOURS = {"load/store": ORANGE, "rowwise": GREEN, "tmatmul": BLUE, "norm": PURPLE}
WAITING, WAITING_COLOUR = "waiting", ZERO


def timeline(bars: list[dict], title: str, cycles: int, unit: str = "clock cycle") -> go.Figure:
    """`bars` are plain numbers: unit (or "waiting"), start, end in cycles, and text; a row for each unit."""
    rows = list(dict.fromkeys(bar["unit"] for bar in bars if bar["unit"] != WAITING))
    figure = go.Figure()
    for row in [*rows, *([WAITING] if any(bar["unit"] == WAITING for bar in bars) else [])]:
        mine = [bar for bar in bars if bar["unit"] == row]
        figure.add_bar(
            y=[row] * len(mine), base=[bar["start"] for bar in mine], x=[bar["end"] - bar["start"] for bar in mine],
            orientation="h", name=row, marker={"color": UNIT_COLOURS.get(row, WAITING_COLOUR),
                                               "line": {"color": INK, "width": 0.5}},
            hovertext=[bar["text"] for bar in mine], hoverinfo="text", showlegend=False,
        )
    busy = {row: sum(bar["end"] - bar["start"] for bar in bars if bar["unit"] == row) for row in rows}
    said = "; ".join(f"{row} works in {spelled(100 * worked / cycles)} % of the cycles" for row, worked in busy.items())
    alt = f"A chart of {spelled(cycles)} clock cycles, a row for each unit. {said}."
    styled(figure, title, unit, "", alt, height=150 + 46 * (len(rows) + 1))
    figure.update_layout(margin={"l": 100}, barmode="overlay", bargap=0.3)
    return figure.update_yaxes(autorange="reversed")
