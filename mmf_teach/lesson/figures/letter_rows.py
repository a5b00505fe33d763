"""Numbers that belong to the letters of a text: a row of bars for each quantity, the text below."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mmf_teach.lesson.figures.style import MINUS, PLUS, styled

SPACE, NEWLINE = "␣", "⏎"


def shown(letter: str) -> str:
    """A letter as it can be seen: a space and the end of a line have signs of their own."""
    return {" ": SPACE, "\n": NEWLINE}.get(letter, letter)


def letter_rows(text: str, rows: dict[str, list[float]], title: str, what: str) -> go.Figure:
    """A row of bars for each named quantity, one bar a letter; what is below 0 hangs down and has another colour."""
    figure = make_subplots(len(rows), 1, shared_xaxes=True, vertical_spacing=0.06)
    said = []
    for number, (name, values) in enumerate(rows.items(), start=1):
        colours = [PLUS if value >= 0 else MINUS for value in values]
        figure.add_bar(
            x=list(range(len(text))), y=values, marker={"color": colours}, showlegend=False, name=name, row=number,
            col=1)
        most = max(range(len(text)), key=lambda at: abs(values[at]))
        said.append(f"{name}: from {min(values):.2f} to {max(values):.2f}, furthest from 0 at letter {most + 1}, "
                    f"{shown(text[most])!r} after {''.join(map(shown, text[max(0, most - 6):most]))!r}")
    alt = f"Bars, one a letter, over the text {''.join(map(shown, text))!r}: {what}. {'; '.join(said)}."
    styled(figure, title, "", "", alt, height=120 + 110 * len(rows))
    figure.update_layout(bargap=0.1, margin_t=60)
    figure.update_xaxes(showticklabels=False, ticks="", showgrid=False)
    figure.update_xaxes(
        showticklabels=True, tickvals=list(range(len(text))), ticktext=[shown(letter) for letter in text], tickangle=0,
        tickfont={"family": "DejaVu Sans Mono, monospace", "size": 13}, row=len(rows), col=1)
    for number, name in enumerate(rows, start=1):
        figure.update_yaxes(title={"text": name, "font": {"size": 13}}, row=number, col=1, showline=True, zeroline=True)
    return figure
