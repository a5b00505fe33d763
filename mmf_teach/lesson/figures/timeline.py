"""A Gantt chart: which unit works when, and which instruction stands waiting."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, ZERO, spelled, styled

UNIT_COLOURS = {"load/store": ORANGE, "rowwise": GREEN, "tmatmul": BLUE, "norm": PURPLE}
WAITING, WAITING_COLOUR = "waiting", ZERO


def timeline(bars: list[dict], title: str, cycles: int, window: tuple[int, int] | None = None) -> go.Figure:
    """`bars` are plain numbers: unit (or "waiting"), start, end in cycles, and text; a row for each unit.

    `window` shows only what happens between two cycles.
    """
    begin, close = window or (0, cycles)
    bars = [bar for bar in bars if bar["start"] < close and bar["end"] > begin]
    rows = list(dict.fromkeys(bar["unit"] for bar in bars if bar["unit"] != WAITING))
    figure = go.Figure()
    for row in [*rows, *([WAITING] if any(bar["unit"] == WAITING for bar in bars) else [])]:
        mine = [bar for bar in bars if bar["unit"] == row]
        figure.add_bar(
            y=[row] * len(mine), base=[bar["start"] for bar in mine], x=[bar["end"] - bar["start"] for bar in mine],
            orientation="h", name=row, marker={
                "color": UNIT_COLOURS.get(row, WAITING_COLOUR),
                "line": {"color": UNIT_COLOURS.get(row, GREY), "width": 1}},       # short work is seen as a line
            hovertext=[bar["text"] for bar in mine], hoverinfo="text", showlegend=False,
        )
    inside = {row: sum(min(bar["end"], close) - max(bar["start"], begin) for bar in bars if bar["unit"] == row)
              for row in rows}
    said = "; ".join(f"{row} works in {spelled(100 * worked / (close - begin))} %" for row, worked in inside.items())
    where = f"clock cycles {spelled(begin)} to {spelled(close)}" if window else f"{spelled(cycles)} clock cycles"
    alt = f"A chart of {where}, a row for each unit. Of these cycles {said}."
    styled(figure, title, "clock cycle", "", alt, height=150 + 46 * (len(rows) + 1))
    figure.update_layout(margin={"l": 100}, barmode="overlay", bargap=0.3)
    figure.update_xaxes(range=[begin, close])
    return figure.update_yaxes(autorange="reversed")
