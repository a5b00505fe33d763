"""Figures are functions of plain data, say in words what they show, and need no particular eyes."""

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mmf_teach.lesson import alternative_text
from mmf_teach.lesson.alternative_text import picture
from mmf_teach.lesson.figures import style
from mmf_teach.lesson.figures.bars import count_bars
from mmf_teach.lesson.figures.curves import loss_curves, predicted_curve
from mmf_teach.lesson.figures.roofline import roofline
from mmf_teach.lesson.figures.stacks import stacked_bars

NOTICEABLE = 15                              # CIE76; about 2 is the least that eyes tell apart side by side
NAMES = ["left", "right <b>", "third"]
COLOURS = dict(zip(NAMES, style.COLORWAY, strict=False))
CURVES = {"left": {"step": [1, 2000], "held_out_nats": [2.5, 1.25]},
          "right <b>": {"step": [1, 5, 3000], "held_out_nats": [2.0, 1.7, 1.5]}}
FIGURES = {
    "bars": lambda: count_bars({"left": 3, "right <b>": 1400}, COLOURS, "Right wins", "votes"),
    "curves": lambda: loss_curves(CURVES, COLOURS, "Left wins", 1.0, 3.0),
    "prediction": lambda: predicted_curve([1.0, 2.0], [0.5, 0.25], [0.5, 0.75], "size", "share"),
    "roofline": lambda: roofline(1e12, 1e11, {"a product": (0.5, 4e10)}, "Below the roof"),
    "stacks": lambda: stacked_bars({"left": {"a": 1.0, "b": 2.5}}, {"a": style.BLUE, "b": style.ORANGE}, "T", "pJ"),
}
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
WHITE = np.array([0.95047, 1.0, 1.08883])    # D65


def lab(colour: str, seen_by: list[list[float]]) -> np.ndarray:
    """A colour as CIELAB, seen by eyes that mix linear RGB by this matrix (Machado et al. 2009, severity 1)."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.array(TO_XYZ) @ np.clip(np.array(seen_by) @ linear, 0, 1) / WHITE
    f = [t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colours: list[str], seen_by: list[list[float]]) -> float:
    """The smallest CIE76 distance between two of the colours."""
    seen = [lab(colour, seen_by) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("seen_by", [np.eye(3).tolist(), PROTANOPIA, DEUTERANOPIA], ids=["all", "no red", "no green"])
@pytest.mark.parametrize("colours", [
    [*style.COLORWAY, style.YELLOW], [style.MINUS, style.ZERO, style.PLUS, style.MULTIPLY, style.PAPER],
    [style.MATMUL_FREE, style.TRANSFORMER, style.PAPER, style.INK],
], ids=["lines", "trits", "models"])
def test_colours_that_meet_are_told_apart_with_any_kind_of_colour_vision(colours, seen_by):
    assert closest(colours, seen_by) >= NOTICEABLE


def test_plotlys_own_colours_would_fail_that_test():
    """So the test can fail: two of the default ones are one colour to a reader who sees no red."""
    default = "#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf".split()
    assert closest(default, PROTANOPIA) < NOTICEABLE / 3


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_from_plain_numbers_and_stored_as_such(name):
    document = FIGURES[name]().to_json()
    assert "bdata" not in document and document == FIGURES[name]().to_json()


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_title_a_unit_and_its_content_in_words(name):
    layout = FIGURES[name]().layout
    assert layout.title.text and layout.xaxis.title.text
    assert len(layout.meta["alt"].split()) > 6 and layout.meta["alt"].endswith(".")
    assert len(json.dumps(layout.template.to_plotly_json())) < 100       # the usual one has 6.6 kB in every figure
    assert layout.font.size >= 14 and layout.height <= 600


def numbers(text: str) -> list[float]:
    return [float(word.replace(",", "")) for word in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@settings(max_examples=25)
@given(counts=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10**9), min_size=1))
def test_bars_hold_every_count_as_a_length_as_a_label_and_in_words(counts):
    figure = count_bars(counts, COLOURS, "A title", "votes")
    bars, = figure.data
    assert dict(zip(bars.y, bars.x, strict=True)) == counts
    assert [numbers(label) for label in bars.text] == [[count] for count in counts.values()]
    assert numbers(figure.layout.meta["alt"]) == list(counts.values())
    assert all(name in figure.layout.meta["alt"] for name in counts)
    assert list(bars.marker.color) == [COLOURS[name] for name in counts]
    assert figure.layout.yaxis.autorange == "reversed" and figure.layout.xaxis.title.text == "votes"
    low, high = figure.layout.xaxis.range
    assert low == 0 and high > max(counts.values())


def test_curves_hold_every_point_and_their_ends_in_words():
    figure = FIGURES["curves"]()
    assert [(line.name, list(line.x), list(line.y)) for line in figure.data] == [
        (name, curve["step"], curve["held_out_nats"]) for name, curve in CURVES.items()]
    assert numbers(figure.layout.meta["alt"]) == [3000, 2.5, 1.25, 2.0, 1.5]
    assert [line.line.color for line in figure.data] == [COLOURS[name] for name in CURVES]
    assert len({line.line.dash for line in figure.data}) == 2
    assert tuple(figure.layout.yaxis.range) == (1.0, 3.0)
    assert figure.layout.title.subtitle.text.endswith("nat per character")


def test_a_figure_is_shown_with_its_words_below_as_text_too(monkeypatch):
    displayed = []
    monkeypatch.setattr(alternative_text, "display", lambda data, raw: displayed.append(data))
    figure = FIGURES["bars"]()
    picture(figure)
    drawing, words = displayed
    assert drawing == {"application/vnd.plotly.v1+json": json.loads(figure.to_json()), "text/plain": "A figure."}
    assert words["text/plain"] == "In words: Bars, votes. left: 3; right <b>: 1,400."
    assert 'class="mmf-alt"' in words["text/html"] and "right &lt;b&gt;: 1,400." in words["text/html"]
    assert "uid" not in json.dumps(drawing)


@pytest.mark.parametrize("alt", [None, "", "A bar chart", "only five words are here"])
def test_a_figure_without_words_is_not_shown(monkeypatch, alt):
    monkeypatch.setattr(alternative_text, "display", lambda data, raw: pytest.fail("it was shown"))
    figure = FIGURES["bars"]()
    figure.layout.meta = None if alt is None else {"alt": alt}
    with pytest.raises(ValueError, match="says in words what there is to see"):
        picture(figure)
