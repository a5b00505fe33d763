"""One look for all figures: the same thing has the same colour everywhere, and nobody needs to tell red from green.

The colours are those of Okabe & Ito 2008, "Color Universal Design": told apart with any kind of colour vision.
"""

import plotly.graph_objects as go

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)
INK, GREY, PAPER = "#222222", "#8A8A8A", "#FFFFFF"

MINUS, ZERO, PLUS = ORANGE, "#C8C8C8", BLUE          # the three trits, from notebook 01 to the last Gantt chart
MULTIPLY = VERMILION                                  # whatever still multiplies
MATMUL_FREE, TRANSFORMER = BLUE, VERMILION            # the models, wherever they meet
COLORWAY = [BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY]

AXIS = {"showline": True, "linecolor": INK, "ticks": "outside", "gridcolor": "#E6E6E6", "zeroline": False}


def spelled(value: float) -> str:
    """A number as one would say it: thousands apart, no more than three digits where it is small.

    >>> spelled(1022361.6), spelled(0.12345)
    ('1,022,362', '0.123')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def styled(figure: go.Figure, title: str, x: str, y: str, alt: str, height: int = 400) -> go.Figure:
    """The same figure with a title that says what to see, named axes, and its content in words.

    The vertical axis is named under the title, where it can be read without turning one's head. `alt` is kept
    in the figure, for `picture` to draw, store and read aloud.
    """
    return figure.update_layout(
        template="none", meta={"alt": alt},
        title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 17}},
        title_subtitle={"text": y, "font": {"size": 14}},
        xaxis={"title": {"text": x, "font": {"size": 14}}} | AXIS, yaxis=AXIS,
        colorway=COLORWAY, font={"family": "sans-serif", "size": 14, "color": INK},
        paper_bgcolor=PAPER, plot_bgcolor=PAPER, height=height, margin={"l": 60, "r": 20, "t": 90, "b": 60},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
