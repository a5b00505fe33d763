"""A figure with its alternative text: the same sentence is drawn below it, read aloud and stored as plain text."""

import html
import json

import plotly.graph_objects as go
from IPython.display import display


def picture(figure: go.Figure) -> None:
    """Show a figure of `lesson.figures` and, below it, what it shows in words. ValueError when it has none."""
    alt = (figure.layout.meta or {}).get("alt", "")
    if len(alt.split()) < 6:
        raise ValueError(f"a figure says in words what there is to see; this one says {alt!r} (figures.style.styled)")
    drawing = json.loads(figure.to_json())
    words = f'<p class="mmf-alt" style="color:#555;margin:0 0 1em 60px"><em>In words:</em> {html.escape(alt)}</p>'
    display({"application/vnd.plotly.v1+json": drawing, "text/plain": "A figure."}, raw=True)
    display({"text/html": words, "text/plain": f"In words: {alt}"}, raw=True)
