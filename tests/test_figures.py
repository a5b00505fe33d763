"""Figures are functions of plain data, say in words what they show, and need no particular eyes."""

import itertools
import json
import re
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings, strategies as st

from mmf_teach.lesson import alternative_text
from mmf_teach.lesson.alternative_text import picture
from mmf_teach.lesson.figures import style
from mmf_teach.lesson.figures.bars import count_bars
from mmf_teach.lesson.figures.bits_and_error import bits_and_error
from mmf_teach.lesson.figures.curves import loss_curves, predicted_curve
from mmf_teach.lesson.figures.design_ladder import design_ladder
from mmf_teach.lesson.figures.ladder import ladder
from mmf_teach.lesson.figures.letter_rows import letter_rows
from mmf_teach.lesson.figures.power_lines import power_lines
from mmf_teach.lesson.figures.recall_points import recall_points
from mmf_teach.lesson.figures.register_trace import register_trace
from mmf_teach.lesson.figures.roofline import roofline
from mmf_teach.lesson.figures.rounding_lines import rounding_lines
from mmf_teach.lesson.figures.running_sum import running_sum
from mmf_teach.lesson.figures.size_lines import size_lines
from mmf_teach.lesson.figures.small_pictures import small_pictures
from mmf_teach.lesson.figures.stacks import stacked_bars
from mmf_teach.lesson.figures.step_lines import step_lines
from mmf_teach.lesson.figures.timeline import timeline
from mmf_teach.lesson.figures.weight_histogram import Panel, weight_histograms

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


# Every figure: what is handed in is what is drawn and said


@dataclass(frozen=True)
class Drawn:
    """A figure, and what has to be in it: its traces as `seen` has them, its axes, its words."""

    figure: go.Figure
    x: str
    y: str
    said: str
    traces: list[tuple]
    axes: dict[str, object] = field(default_factory=dict)                # by plotly's names: xaxis_type, ...
    labels: list[list[str] | None] | None = None                         # the texts at each trace's marks
    rows: int = 0                                                        # bars below one another


def seen(trace) -> tuple:
    """Of a trace its name, its points, how it is drawn, its colour, and its dash and symbol."""
    if trace.type == "bar":
        return trace.name, list(trace.x), list(trace.y), trace.orientation, trace.marker.color, ()
    lines = "lines" in trace.mode
    colour = trace.line.color if lines else trace.marker.color
    marks = tuple(each for each in (trace.line.dash if lines else None, trace.marker.symbol) if each)
    return trace.name, list(trace.x), list(trace.y), trace.mode, colour, marks


B, O, G, V, P, S = style.COLORWAY
LEFT_RIGHT = {"showline": False, "ticks": "", "showgrid": False, "automargin": True, "autorange": "reversed"}
QUIET = {f"yaxis_{name}": value for name, value in LEFT_RIGHT.items()}
LOG = {"xaxis_type": "log", "yaxis_type": "log"}


def bits_figure():
    sets = {"ours": {"a": (2.0, 12.0), "b": (4.5, 0.5)}, "theirs": {"a": (1.0, 30.0)}}
    bound = [round(0.75 + step * (5 - 0.75) / 20, 3) for step in range(21)]
    figure = bits_and_error(sets, {"a": "left", "b": "above"}, "T")
    return Drawn(
        figure, "bits a weight, its part of the scales included", "lost, % of the sum of squares",
        "Points: share of the sum of squares lost, against bits a weight. ours: a 2 bits, 12 %; b 4.5 bits, 0.5 %. "
        "theirs: a 1 bits, 30 %.",
        [("bound for a bell curve", bound, pytest.approx([100 / 4**bits for bits in bound], rel=2e-3), "lines",
          style.GREY, ("dot",)),
         ("ours", [2.0, 4.5], [12.0, 0.5], "markers+text", B, ("circle",)),
         ("theirs", [1.0], [30.0], "markers", O, ("square",))],
        {"yaxis_type": "log", "xaxis_range": (0.6, 5.0), "yaxis_tickvals": (0.3, 1, 3, 10, 30, 100),
         "yaxis_ticktext": ("0.3", "1", "3", "10", "30", "100")},
        [None, [" a ", " b "], [" a "]])


def design_figure():
    rungs = {"slow": (0.5, 1.0, 2000.0), "fast": (20.0, 40.0, 30.0)}
    names = list(rungs)
    return Drawn(
        design_ladder(rungs, "T", "tokens"), "tokens", "",
        "Bars on a logarithmic axis, tokens. slow: 0.5, lanes allow 1, port 2,000; fast: 20, lanes allow 40, port 30.",
        [("simulated", [0.5, 20.0], names, "h", B, ()),
         ("if no lane waited", [1.0, 40.0], names, "markers", V, ("diamond-open",)),
         ("if the port never rested", [2000.0, 30.0], names, "markers", style.INK, ("line-ns-open",))],
        {"xaxis_type": "log", "xaxis_dtick": 1, "yaxis_categoryarray": ("fast", "slow"),
         "yaxis_categoryorder": "array"}, [[" 0.5", " 20"], None, None], rows=2)


def ladder_figure():
    rungs = {"table": (300.0, 4000.0, False), "float": (20.0, 50.0, True), "plain": (1.5, 90.0, False)}
    return Drawn(
        ladder(rungs, "T", "a second"), "a second", "",
        "Bars on a logarithmic axis, a second. table: 300, at most 4,000; float: 20, at most 50, multiplies; "
        "plain: 1.5, at most 90.",
        [("multiplies nowhere", [300.0, 1.5], ["table", "plain"], "h", B, ()),
         ("multiplies", [20.0], ["float"], "h", V, ()),
         ("its roof: only reading", [4000.0, 50.0, 90.0], list(rungs), "markers", style.INK, ("line-ns-open",))],
        {"xaxis_type": "log", "xaxis_dtick": 1, "yaxis_categoryarray": ("plain", "float", "table"),
         "yaxis_categoryorder": "array"}, [[" 300", " 1.5"], [" 20"], None], rows=3)


def letters_figure():
    values = {"gate": [0.5, -1.0, 0.0, 2.0], "content": [1.0, 1.0, 1.0, 1.0]}
    return Drawn(
        letter_rows("a b\n", values, "T", "two things"), "", "",
        "Bars, one a letter, over the text 'a␣b⏎': two things. gate: from -1.00 to 2.00, furthest from 0 at letter 4, "
        "'⏎' after 'a␣b'; content: from 1.00 to 1.00, furthest from 0 at letter 1, 'a' after ''.",
        [("gate", [0, 1, 2, 3], values["gate"], None, (style.PLUS, style.MINUS, style.PLUS, style.PLUS), ()),
         ("content", [0, 1, 2, 3], values["content"], None, (style.PLUS,) * 4, ())],
        {"xaxis2_ticktext": ("a", "␣", "b", "⏎"), "xaxis2_tickvals": (0, 1, 2, 3), "xaxis2_showticklabels": True,
         "xaxis2_tickangle": 0, "xaxis_showticklabels": False, "yaxis_title_text": "gate", "yaxis_zeroline": True,
         "yaxis2_title_text": "content", "yaxis2_zeroline": True, "xaxis_matches": "x2", "xaxis_showgrid": False,
         "xaxis_ticks": "", "yaxis2_showline": True, "xaxis2_ticks": ""}, rows=4)


def power_figure():
    lines = {"a": ([1.0, 100.0], B), "b": ([2.0, 3000.0], O)}
    return Drawn(
        power_lines([0.1, 10.0], lines, "T", "size", "cost", here=(100.0, "today")), "size", "cost",
        "Lines on logarithmic axes: cost, against size. a: 1 at 0.1, 100 at 10; b: 2 at 0.1, 3,000 at 10. "
        "A mark at 100: today.",
        [("a", [0.1, 10.0], [1.0, 100.0], "lines+markers", B, ("solid",)),
         ("b", [0.1, 10.0], [2.0, 3000.0], "lines+markers", O, ("dash",))],
        {**LOG, "xaxis_dtick": 1, "xaxis_exponentformat": "power", "yaxis_exponentformat": "power",
         "shapes_0_x0": 100.0, "shapes_0_x1": 100.0, "shapes_0_line_dash": "dot", "shapes_0_line_color": style.INK,
         "annotations_0_x": 2.0, "annotations_0_y": 0, "annotations_0_yref": "paper", "annotations_0_text": "today",
         "annotations_0_showarrow": False, "annotations_0_xanchor": "left", "annotations_0_yanchor": "bottom"})


def places_figure():
    return Drawn(
        power_lines([0, 1], {"a": ([1.0, 100.0], B)}, "T", "place", "cost", places=True), "place", "cost",
        "Lines on a logarithmic axis: cost, against place. a: 1 at 0, 100 at 1.",
        [("a", [0, 1], [1.0, 100.0], "lines+markers", B, ("solid",))],
        {"xaxis_type": None, "yaxis_type": "log", "xaxis_dtick": 1, "shapes": (), "annotations": ()})


def recall_figure():
    kinds = {"a": [(2000.0, 0.5), (16.0, 0.25)], "b": [(8.0, 1.0)]}
    return Drawn(
        recall_points(kinds, {"a": V}, 1 / 64, "T", "numbers", "share"), "numbers", "share",
        "share against numbers. a: 25% with 16, 50% with 2,000; b: 100% with 8. Guessing gives 1.6%.",
        [("a", [16.0, 2000.0], [0.25, 0.5], "lines+markers", V, ("circle",)),
         ("b", [8.0], [1.0], "lines+markers", O, ("square",))],
        {"xaxis_type": "log", "xaxis_exponentformat": "none", "yaxis_tickformat": ".0%", "yaxis_range": (-0.03, 1.05),
         "shapes_0_y0": 1 / 64, "shapes_0_y1": 1 / 64, "shapes_0_line_dash": "dot"})


def roof_figure():
    points = {"a": (0.5, 4e10), "b": (2000.0, 9e11)}
    return Drawn(
        roofline(1e12, 1e11, points, "T"), "operations per byte moved", "operations per second",
        "Roofline: rises to 1e+12 operations a second at 10 operations a byte, then level. "
        "a: 0.5 operations a byte, 4e+10 a second; b: 2e+03 operations a byte, 9e+11 a second.",
        [("the roof", [0.05, 10.0, 4000.0], [0.05 * 1e11, 1e12, 1e12], "lines", style.INK, ()),
         ("a", [0.5], [4e10], "markers", B, ("circle",)), ("b", [2000.0], [9e11], "markers", O, ("diamond",))],
        {**LOG, "xaxis_dtick": 1, "yaxis_dtick": 1, "yaxis_exponentformat": "power"})


def rounding_figure():
    lines = {"a": [10.0, 20.0, 90.0], "b": [5.0, 5.5, 6.0]}
    return Drawn(
        rounding_lines([1.0, 8.0, 64.0], lines, [V, S], ("control", 33.3), "T", "times", "lost, %"),
        "times", "lost, %",
        "Lines: lost, %, against times. a: 10 at 1, 20 at 8, 90 at 64; b: 5 at 1, 5.5 at 8, 6 at 64. "
        "Dotted, control: 33.3.",
        [("a", [1.0, 8.0, 64.0], lines["a"], "lines+markers", V, ("circle",)),
         ("b", [1.0, 8.0, 64.0], lines["b"], "lines+markers", S, ("square",)),
         ("control", [1.0, 64.0], [33.3, 33.3], "lines", style.INK, ("dot",))],
        {"xaxis_type": "log", "xaxis_tickvals": (1.0, 8.0, 64.0), "xaxis_ticktext": ("1", "8", "64"),
         "yaxis_range": (0, 105)})


def walk_figure():
    others = {"exact": ([6, 6, -4], style.GREY, "solid"), "half": ([2, 3, 1000], V, "dot")}
    return Drawn(
        running_sum([1, 0, -1], [5, 5, -4], others, "T"), "inputs taken so far", "running sum",
        "Running sum over 3 inputs: add 1, subtract 1, skip 1; it ends at -4. The sums: 5, 5, -4. exact ends at -4. "
        "half ends at 1,000.",
        [("exact", [1, 2, 3], [6, 6, -4], "lines", style.GREY, ("solid",)),
         ("half", [1, 2, 3], [2, 3, 1000], "lines", V, ("dot",)),
         (None, [0, 1, 2, 3], [0, 5, 5, -4], "lines", style.INK, ()),
         ("add", [1], [5], "markers", style.PLUS, ("triangle-up",)),
         ("subtract", [3], [-4], "markers", style.MINUS, ("triangle-down",)),
         ("skip", [2], [5], "markers", style.ZERO, ("circle",))],
        {"xaxis_dtick": 1, "xaxis_rangemode": "tozero"})


def long_walk_figure():
    trits = [1] * 21
    return Drawn(
        running_sum(trits, list(range(1, 22)), {}, "T"), "inputs taken so far", "running sum",
        "Running sum over 21 inputs: add 21, subtract 0, skip 0; it ends at 21.",
        [(None, list(range(22)), list(range(22)), "lines", style.INK, ()),
         ("add", list(range(1, 22)), list(range(1, 22)), "markers", style.PLUS, ("triangle-up",)),
         ("subtract", [], [], "markers", style.MINUS, ("triangle-down",)),
         ("skip", [], [], "markers", style.ZERO, ("circle",))],
        {"xaxis_dtick": None, "xaxis_rangemode": "tozero"})


def sizes_figure():
    curves = {"a": [1.0, 20.0, 3000.0, 4e4], "b": [5.0, 5.0, 5.0, 5.0]}
    return Drawn(
        size_lines([1, 10, 100, 1000], curves, {"a": V}, "T", "tokens", "GB"), "tokens", "GB",
        "GB against tokens. a: 1 at 1, 3,000 at 100, 40,000 at 1,000; b: 5 at 1, 5 at 100, 5 at 1,000.",
        [("a", [1, 10, 100, 1000], curves["a"], "lines+markers", V, ("solid",)),
         ("b", [1, 10, 100, 1000], curves["b"], "lines+markers", O, ("dash",))],
        {**LOG, "xaxis_tickvals": (1, 10, 100, 1000), "xaxis_ticktext": ("1", "10", "100", "1,000"), "yaxis_dtick": 1,
         "yaxis_exponentformat": "none", "shapes": ()})


def shares_figure():
    return Drawn(
        size_lines([0, 1000], {"a": [1.0, 0.25]}, {}, "T", "pairs", "share", guessing=0.125), "pairs", "share",
        "share against pairs. a: 1 at 0, 0.25 at 1,000. Guessing gives 0.125.",
        [("a", ["0", "1,000"], [1.0, 0.25], "lines+markers", B, ("solid",))],
        {"xaxis_type": "category", "yaxis_range": (-0.03, 1.05), "shapes_0_y0": 0.125, "shapes_0_y1": 0.125,
         "annotations_0_text": "guessing", "shapes_0_line_dash": "dot", "yaxis_type": None})


def stacks_figure():
    parts = {"left": {"a": 1.0, "b": 2.5}, "right": {"b": 2000.0}}
    return Drawn(
        stacked_bars(parts, {"a": B, "b": O}, "T", "pJ"), "pJ", "",
        "Bars by part, in pJ. left: a 1, b 2.5; right: b 2,000.",
        [("a", [1.0, 0], ["left", "right"], "h", B, ()), ("b", [2.5, 2000.0], ["left", "right"], "h", O, ()),
         (None, [3.5, 2000.0], ["left", "right"], "text", None, ())],
        {**QUIET, "barmode": "stack", "xaxis_range": (0, pytest.approx(2360)), "xaxis_type": None},
        [None, None, ["  3.5", "  2,000"]], rows=2)


def parts_figure():
    parts = {"left": {"a": 1.0, "b": 2.5}, "right": {"b": 2000.0}}
    return Drawn(
        stacked_bars(parts, {"a": B, "b": O}, "T", "pJ", log=True), "pJ", "",
        "Bars by part, in pJ. left: a 1, b 2.5; right: b 2,000.",
        [("a", [1.0, 0], ["left", "right"], "h", B, ()), ("b", [2.5, 2000.0], ["left", "right"], "h", O, ())],
        {**QUIET, "barmode": "group", "xaxis_range": None, "xaxis_type": "log", "xaxis_dtick": 1}, rows=4)


def steps_figure():
    lines = {"a": ([1.0, 10.0, 100.0], [3.0, 1.0, 2.0], B), "b": ([1.0, 20.0], [4.0, 5.0], O)}
    dots = {"a": ([10.0, 10.0], [0.9, 1.1])}
    return Drawn(
        step_lines(lines, "T", "rate", "loss", dots, logarithmic=True), "rate", "loss",
        "Lines: loss, against rate. a: 3 at 1, lowest 1 at 10, 2 at 100; b: 4 at 1, lowest 4 at 1, 5 at 20.",
        [("a", [1.0, 10.0, 100.0], [3.0, 1.0, 2.0], "lines", B, ("solid",)),
         (None, [10.0, 10.0], [0.9, 1.1], "markers", B, ("circle",)),
         ("b", [1.0, 20.0], [4.0, 5.0], "lines", O, ("dash",))],
        {"xaxis_type": "log", "xaxis_tickvals": (1.0, 10.0, 20.0, 100.0), "xaxis_ticktext": ("1", "10", "20", "100")})


def plain_steps_figure():
    return Drawn(
        step_lines({"a": ([1.0, 2.0], [3.0, 1.0], B)}, "T", "step", "loss"), "step", "loss",
        "Lines: loss, against step. a: 3 at 1, lowest 1 at 2, 1 at 2.",
        [("a", [1.0, 2.0], [3.0, 1.0], "lines", B, ("solid",))], {"xaxis_type": None, "xaxis_tickvals": None})


def guess_figure():
    return Drawn(
        predicted_curve([1.0, 2.0], [0.5, 0.25], [0.75, 0.0], "size", "share"), "size", "share",
        "share against size. As it is: 1: 0.5; 2: 0.25. Your guess: 1: 0.75; 2: 0.",
        [("as it is", [1.0, 2.0], [0.5, 0.25], "lines+markers", B, ()),
         ("your guess", [1.0, 2.0], [0.75, 0.0], "lines+markers", O, ("dash", "diamond"))],
        {"title_text": "Your guess is off by 0.25 on average"})


def no_guess_figure():
    return Drawn(
        predicted_curve([1.0, 2.0], [0.5, 0.25], None, "size", "share"), "size", "share",
        "share against size. As it is: 1: 0.5; 2: 0.25.",
        [("as it is", [1.0, 2.0], [0.5, 0.25], "lines+markers", B, ())],
        {"title_text": "As it is (no guess was committed)"})


def curves_figure():
    return Drawn(
        FIGURES["curves"](), "training step", "loss on held-out text, nat per character",
        "Loss curves, in nat per character over 3,000 steps. left falls from 2.500 to 1.250; "
        "right <b> falls from 2.000 to 1.500.",
        [("left", [1, 2000], [2.5, 1.25], "lines", B, ("solid",)),
         ("right <b>", [1, 5, 3000], [2.0, 1.7, 1.5], "lines", O, ("dash",))],
        {"yaxis_range": (1.0, 3.0), "title_text": "Left wins"})


def bars_figure():
    return Drawn(
        FIGURES["bars"](), "votes", "", "Bars, votes. left: 3; right <b>: 1,400.",
        [(None, [3, 1400], ["left", "right <b>"], "h", (B, O), ())],
        {**QUIET, "xaxis_range": (0, 1680), "title_text": "Right wins"}, [[" 3", " 1,400"]], rows=2)


def work(unit: str, start: int, end: int) -> dict:
    """A bar of a timeline."""
    return {"unit": unit, "start": start, "end": end, "text": f"{unit} {start}"}


def gantt_figure():
    bars = [work("tmatmul", 0, 6), work("waiting", 2, 9), work("norm", 6, 9), work("tmatmul", 9, 12)]
    return Drawn(
        timeline(bars, "T", 12), "clock cycle", "",
        "A chart of 12 clock cycles, a row for each unit. Of these cycles tmatmul works in 75 %; norm works in 25 %.",
        [("tmatmul", [6, 3], ["tmatmul", "tmatmul"], "h", B, ()), ("norm", [3], ["norm"], "h", P, ()),
         ("waiting", [7], ["waiting"], "h", style.ZERO, ())],
        {"xaxis_range": (0, 12), "yaxis_autorange": "reversed", "barmode": "overlay"}, rows=3)


def part_of_gantt_figure():
    bars = [work("load/store", 0, 4), work("rowwise", 3, 6), work("norm", 8, 9)]
    return Drawn(
        timeline(bars, "T", 12, window=(4, 8)), "clock cycle", "",
        "A chart of clock cycles 4 to 8, a row for each unit. Of these cycles rowwise works in 50 %.",
        [("rowwise", [3], ["rowwise"], "h", G, ())], {"xaxis_range": (4, 8), "yaxis_autorange": "reversed"}, rows=1)


PANELS = [
    Panel("first", [[3, 1, 0], [0, 9, 2]], 0.25, "half of them"), Panel("second", [[0, 1, 1], [1, 1, 1]], 9.0, "all"),
    Panel("third", [[1, 0, 0], [0, 0, 1]], 1.0, "none")]


def histogram_figure():
    def bars(places: list[list[int]]) -> list[tuple]:
        return [(f"becomes {trit}", [-0.5, 0.5], places[code], None, colour, ()) for code, (trit, colour)
                in enumerate((("-1", style.MINUS), ("0", style.ZERO), ("+1", style.PLUS)))]
    return Drawn(
        weight_histograms(PANELS, [-1.0, 0.0, 1.0], "T", "weight"), None, "",
        "3 histograms of weights, weight. first: weights up to 0.25 become 0; half of them; second: weights up to 9 "
        "become 0; all; third: weights up to 1 become 0; none.",
        [*bars([[3, 0], [1, 9], [0, 2]]), *bars([[0, 1], [1, 1], [1, 1]]),
         *bars([[1, 0], [0, 0], [0, 1]])],
        {"barmode": "stack", "bargap": 0, "xaxis3_title_text": "weight", "yaxis_range": (0, pytest.approx(11.55)),
         "yaxis3_range": (0, pytest.approx(11.55)), "xaxis_range": (-1.0, 1.0), "xaxis2_range": (-1.0, 1.0),
         "annotations_0_text": "<b>first</b><br>half of them", "annotations_2_text": "<b>third</b><br>none"})


DRAWN = [
    bits_figure, design_figure, ladder_figure, letters_figure, power_figure, places_figure, recall_figure, roof_figure,
    rounding_figure, walk_figure, long_walk_figure, sizes_figure, shares_figure, stacks_figure, parts_figure,
    steps_figure, plain_steps_figure, guess_figure, no_guess_figure, curves_figure, bars_figure, gantt_figure,
    part_of_gantt_figure, histogram_figure,
]


@pytest.fixture(params=DRAWN, ids=lambda draw: draw.__name__)
def drawn(request) -> Drawn:
    return request.param()


def test_a_figure_draws_the_data_handed_in_under_their_names_and_nothing_else(drawn):
    assert [seen(trace) for trace in drawn.figure.data] == drawn.traces
    assert all(trace.showlegend is False for trace in drawn.figure.data if not trace.name) or len(drawn.traces) == 1
    if drawn.labels:
        assert [trace.text and list(trace.text) for trace in drawn.figure.data] == drawn.labels


def test_a_figure_says_in_words_what_it_draws(drawn):
    assert drawn.figure.layout.meta == {"alt": drawn.said}


def test_a_figure_names_its_axes_and_has_the_scales_that_its_data_need(drawn):
    layout = drawn.figure.layout
    if drawn.x is not None:
        assert layout.xaxis.title.text == drawn.x
    assert layout.title.subtitle.text == drawn.y
    for path, expected in ({"title_text": "T"} | drawn.axes).items():
        value = layout
        for part in path.split("_"):
            value = value[int(part)] if part.isdigit() else value[part]
        assert value == expected, path


def test_every_mark_can_be_seen(drawn):
    """Lines neither hair-thin nor broad as bars, marks neither dots nor blots, nothing cut off at the edge."""
    for trace in drawn.figure.data:
        if trace.type == "bar":
            continue
        if "lines" in trace.mode and trace.name:
            assert trace.line.width in ({9} if trace.name == "exact" else {2, 3})
        if "markers" in trace.mode and trace.marker.size is not None:
            assert 7 <= trace.marker.size <= 18
        if "text" in trace.mode:
            assert trace.textposition is not None
        assert trace.mode != "text" or trace.cliponaxis is False


def test_every_figure_has_one_look_and_leaves_room_for_its_words(drawn):
    layout = drawn.figure.layout
    assert (layout.font.family, layout.font.color, layout.font.size) == ("sans-serif", style.INK, 14)
    assert layout.paper_bgcolor == layout.plot_bgcolor == style.PAPER and layout.colorway == tuple(style.COLORWAY)
    assert (layout.title.x, layout.title.xanchor) == (0, "left")
    assert layout.title.font.size > layout.title.subtitle.font.size >= 14
    assert 60 <= layout.margin.t <= 110 and 20 <= layout.margin.b <= 140
    assert 50 <= layout.margin.l <= 190 and layout.margin.r == 20
    assert all(axis.showline is not None and axis.gridcolor and axis.ticks is not None for axis in (
        layout.xaxis, layout.yaxis))
    assert 200 <= layout.height <= 640
    bars_px = layout.height - layout.margin.t - layout.margin.b
    assert not drawn.rows or 20 <= bars_px / drawn.rows <= 130


def test_the_one_look_itself():
    """Changed here, every figure of the course changes."""
    figure = style.styled(go.Figure(), "A title", "to the right", "upwards", "In words.")
    layout = figure.layout
    assert (layout.title.text, layout.title.subtitle.text, layout.xaxis.title.text) == (
        "A title", "upwards", "to the right")
    assert [text.font.size for text in (layout.title, layout.title.subtitle, layout.xaxis.title)] == [17, 14, 14]
    margin = layout.margin
    assert (layout.height, margin.l, margin.r, margin.t, margin.b) == (400, 60, 20, 90, 60)
    for axis in (layout.xaxis, layout.yaxis):
        assert (axis.showline, axis.linecolor, axis.ticks, axis.zeroline) == (True, style.INK, "outside", False)
        assert axis.gridcolor == "#E6E6E6", "lighter than every line"
    assert layout.meta == {"alt": "In words."}


BELOW = [bits_figure, power_figure, places_figure, rounding_figure, steps_figure, plain_steps_figure, histogram_figure]
BESIDE = [recall_figure, sizes_figure, shares_figure]


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_the_legend_lies_outside_the_lines_and_where_names_are_long_below_or_beside_them(draw):
    layout = draw().figure.layout
    legend, place = layout.legend, (layout.legend.orientation, layout.legend.xanchor, layout.legend.yanchor)
    if draw in BELOW:
        assert place == ("h", "left", "top") and legend.x == 0 and -0.3 < legend.y < -0.2
        assert 110 <= layout.margin.b <= 140
    elif draw in BESIDE:
        assert place == ("v", "left", "top") and 1 < legend.x < 1.1 and legend.y == 1
    else:
        assert place == ("h", "right", "bottom") and (legend.x, legend.y) == (1, 1)


@pytest.mark.parametrize(("draw", "marks"), [
    (lambda names: loss_curves({n: {"step": [1], "held_out_nats": [2.0]} for n in names},
                               dict.fromkeys(names, B), "T", 1, 2), ["solid", "dash", "dot"]),
    (lambda names: power_lines([1.0], {n: ([1.0], B) for n in names}, "T", "x", "y"),
     ["solid", "dash", "dot", "dashdot"]),
    (lambda names: size_lines([1], {n: [1.0] for n in names}, {}, "T", "x", "y"), ["solid", "dash", "dot", "dashdot"]),
    (lambda names: step_lines({n: ([1.0], [1.0], B) for n in names}, "T", "x", "y",
                              {n: ([1.0], [1.0]) for n in names}), ["solid", "dash", "dot"]),
    (lambda names: rounding_lines([1.0], {n: [1.0] for n in names}, [B] * len(names), ("c", 1.0), "T", "x", "y"),
     ["circle", "square", "diamond", "x"]),
    (lambda names: bits_and_error({n: {"a": (1.0, 1.0)} for n in names[:6]}, {"a": "left"}, "T"),
     ["circle", "square", "diamond"]),
    (lambda names: recall_points({n: [(1.0, 1.0)] for n in names}, {}, 0.1, "T", "x", "y"),
     ["circle", "square", "diamond", "x", "cross", "triangle-up", "star"]),
    (lambda names: roofline(1.0, 1.0, {n: (1.0, 1.0) for n in names}, "T"), ["circle", "diamond", "square", "x"]),
], ids=["loss", "power", "size", "step", "rounding", "bits", "recall", "roof"])
def test_lines_next_to_each_other_differ_in_more_than_colour_however_many_there_are(draw, marks):
    names = [f"line {number}" for number in range(8)]
    mine = [trace for trace in draw(names).data if trace.name in names]
    kind = "dash" if "dash" in marks else "symbol"
    found = [trace.line.dash if kind == "dash" else trace.marker.symbol for trace in mine]
    assert found == [marks[number % len(marks)] for number in range(len(mine))] and len(mine) >= 6


@pytest.mark.parametrize("draw", [
    lambda names: size_lines([1], {n: [1.0] for n in names}, {}, "T", "x", "y"),
    lambda names: recall_points({n: [(1.0, 1.0)] for n in names}, {}, 0.1, "T", "x", "y"),
    lambda names: roofline(1.0, 1.0, {n: (1.0, 1.0) for n in names}, "T"),
], ids=["size", "recall", "roof"])
def test_where_no_colour_is_given_lines_take_the_course_s_in_their_order(draw):
    names = [f"line {number}" for number in range(8)]
    colours = [seen(trace)[4] for trace in draw(names).data if trace.name in names]
    assert colours == [*style.COLORWAY, *style.COLORWAY[:2]]


def test_dots_have_the_mark_of_their_line():
    names = [f"line {number}" for number in range(4)]
    figure = step_lines({n: ([1.0], [1.0], B) for n in names}, "T", "x", "y", {n: ([1.0], [1.0]) for n in names})
    assert [trace.marker.symbol for trace in figure.data[1::2]] == ["circle", "diamond", "square", "circle"]


def test_each_format_is_named_on_the_side_that_was_asked_for_and_where_there_are_several_sets_once():
    sides = {"left": "middle left", "right": "middle right", "above": "top center", "below": "bottom center"}
    figure = bits_and_error({"x": {side: (1.0, 2.0) for side in sides}}, {side: side for side in sides}, "T")
    assert list(figure.data[1].textposition) == list(sides.values())


def test_the_mark_of_a_shorter_bar_is_written_inside_it_and_no_number_is_cut_off():
    for draw in (design_figure, ladder_figure):
        for bars in (trace for trace in draw().figure.data if trace.type == "bar"):
            assert (bars.textposition, bars.insidetextanchor, bars.constraintext) == ("auto", "end", "none")
            assert bars.cliponaxis is False
    bars, = bars_figure().figure.data
    assert bars.textposition == "outside" and bars.cliponaxis is False
    assert stacks_figure().figure.data[-1].textposition == "middle right"


def test_the_points_of_a_long_walk_are_smaller_and_it_is_told_without_its_sums():
    short, long = (
        running_sum([1] * size, list(range(size)), {}, "T") for size in (20, 21))
    assert short.data[1].marker.size > long.data[1].marker.size
    assert "The sums" in short.layout.meta["alt"] and "The sums" not in long.layout.meta["alt"]
    assert short.layout.xaxis.dtick == 1 and long.layout.xaxis.dtick is None
    for figure in (short, long):
        assert figure.data[0].showlegend is False and figure.data[0].hoverinfo == "skip"
        assert figure.data[0].line.width == 1 and figure.data[1].marker.line.color == style.INK


def test_the_marks_of_a_roof_and_the_ends_of_a_roofline_lie_around_its_points():
    figure = roofline(1e12, 1e11, {"a": (0.01, 1e9), "b": (5e4, 1e12)}, "T")
    assert list(figure.data[0].x) == [0.005, 10.0, 1e5] and list(figure.data[0].y) == [0.005e11, 1e12, 1e12]
    assert list(roofline(8.0, 2.0, {"a": (4.0, 8.0)}, "T").data[0].x) == [0.02, 4.0, 80.0]


def test_work_on_a_chart_begins_where_it_begins_is_told_on_hovering_and_has_the_colour_of_its_unit():
    units = ["load/store", "rowwise", "tmatmul", "norm", "other", "waiting", "norm"]
    bars = [work(unit, at, at + 2) for at, unit in enumerate(units)]
    figure = timeline(bars, "T", 9)
    assert {trace.name: list(trace.base) for trace in figure.data} == {
        "load/store": [0], "rowwise": [1], "tmatmul": [2], "norm": [3, 6], "other": [4], "waiting": [5]}
    assert list(figure.data[3].hovertext) == ["norm 3", "norm 6"] and figure.data[-1].name == "waiting"
    assert {trace.name: (trace.marker.color, trace.marker.line.color) for trace in figure.data} == {
        "load/store": (O, O), "rowwise": (G, G), "tmatmul": (B, B), "norm": (P, P),
        "other": (style.ZERO, style.GREY), "waiting": (style.ZERO, style.GREY)}
    for trace in figure.data:
        assert trace.hoverinfo == "text" and trace.showlegend is False and trace.marker.line.width == 1


@pytest.mark.parametrize(("window", "names"), [
    ((0, 2), ["a"]), ((2, 4), ["b"]), ((1, 3), ["a", "b"]), ((4, 9), []), (None, ["a", "b"]),
])
def test_a_window_shows_what_happens_in_it_and_nothing_that_ends_or_begins_at_its_edge(window, names):
    bars = [work("a", 0, 2), work("b", 2, 4)]
    assert [trace.name for trace in timeline(bars, "T", 9, window).data] == names


def test_only_the_part_of_the_work_that_lies_in_a_window_counts_for_it():
    bars = [work("a", 1, 5), work("a", 7, 20)]
    assert "a works in 75 %." in timeline(bars, "T", 30, (3, 11)).layout.meta["alt"]


def test_a_histogram_has_a_place_a_panel_and_its_thresholds_where_they_fit():
    figure = weight_histograms(PANELS, [-1.0, 0.0, 1.0], "T", "weight")
    assert [trace.xaxis for trace in figure.data] == ["x"] * 3 + ["x2"] * 3 + ["x3"] * 3
    assert [trace.showlegend for trace in figure.data] == [True] * 3 + [False] * 6
    assert [trace.legendgroup for trace in figure.data] == [trace.name for trace in figure.data]
    assert [(line.x0, line.xref, line.line.dash) for line in figure.layout.shapes] == [
        (-0.25, "x", "dash"), (0.25, "x", "dash"), (-1.0, "x3", "dash"), (1.0, "x3", "dash")]
    assert {line.line.color for line in figure.layout.shapes} == {style.INK}
    one_column = weight_histograms(PANELS, [-1.0, 0.0, 1.0], "T", "weight", columns=1)
    assert one_column.layout.height - figure.layout.height == 200
    assert one_column.layout.xaxis3.title.text == "weight" and not one_column.layout.xaxis2.title.text
    assert {note.font.size for note in figure.layout.annotations} == {13}
    assert figure.layout.xaxis2.showline and figure.layout.yaxis3.showline


def test_small_pictures_are_drawn_in_grey_the_first_row_on_top():
    one, two = [[0, 1], [1, 1], [0, 0]], [[1, 0], [0, 0], [1, 1]]
    figure = small_pictures([one, two], ["a zero", "a one"], "T", "digits")
    assert [[list(row) for row in trace.z] for trace in figure.data] == [one, two]
    assert [trace.xaxis for trace in figure.data] == ["x", "x2"]
    for trace in figure.data:
        assert trace.zmin == -0.5 and trace.zmax == 1.5, "neither paper nor ink is the end of the scale: both are grey"
        assert [list(pair) for pair in trace.colorscale] == [[0, style.PAPER], [1, style.INK]]
        assert trace.showscale is False and trace.hoverinfo == "skip"
    layout = figure.layout
    assert [note.text for note in layout.annotations] == ["a zero", "a one"]
    assert (layout.title.text, layout.meta["alt"]) == ("T", "2 small pictures: digits. Shown: a zero, a one.")
    assert layout.xaxis.visible is layout.yaxis2.visible is False and layout.yaxis2.autorange == "reversed"
    assert layout.yaxis.scaleanchor == "x" and 100 <= layout.height - layout.margin.t - layout.margin.b <= 200


def test_a_trace_of_registers_shows_each_value_in_its_place_and_in_bold_what_was_written():
    values = [[0.5, None, -4.0], [0.5, 1.0, -4.0], [0.5, 1.0, -4.0]]
    figure = register_trace(["ldv v0", "add v1", "nop"], ["v0", "v1", "v2"], values, ["v0", "v1", ""], "T")
    table, = figure.data
    assert [list(row) for row in table.z] == values
    assert [list(row) for row in table.text] == [
        ["<b>0.5</b>", "", "-4"], ["0.5", "<b>1</b>", "-4"], ["0.5", "1", "-4"]]
    assert (list(table.x), list(table.y), table.texttemplate) == (["v0", "v1", "v2"], [0, 1, 2], "%{text}")
    assert (table.zmin, table.zmax) == (-4.0, 4.0), "white is 0"
    assert [list(pair) for pair in table.colorscale] == [[0.0, O], [0.5, style.PAPER], [1.0, B]]
    assert table.showscale is False and table.hoverinfo == "skip"
    assert (table.textfont.color, table.textfont.size) == (style.INK, 12) and 1 <= table.ygap <= table.xgap <= 2
    layout = figure.layout
    assert layout.meta["alt"] == (
        "A table of 3 instructions and 3 registers, the first element of each. ldv v0 makes v0 0.5; add v1 makes v1 1.")
    axis = layout.yaxis
    assert (axis.tickvals, axis.ticktext, axis.autorange) == ((0, 1, 2), ("ldv v0", "add v1", "nop"), "reversed")
    assert (axis.showline, axis.ticks, axis.showgrid) == (False, "", False)
    assert (layout.xaxis.side, layout.xaxis.showline, layout.xaxis.ticks) == ("top", False, "")
    assert layout.title.text == "T" and 20 <= (layout.height - layout.margin.t - layout.margin.b) / 3 <= 40
    assert layout.margin.l >= 180, "an instruction is long"


@pytest.mark.parametrize("values", [[[None]], [[0.0]]])
def test_a_trace_without_any_number_has_a_scale_all_the_same(values):
    assert register_trace(["nop"], ["v0"], values, [""], "T").data[0].zmax == 1.0


@pytest.mark.parametrize(("value", "said"), [
    (999.6, "1e+03"), (1000, "1,000"), (-2500.4, "-2,500"), (0.0012345, "0.00123"), (12.0, "12"), (0, "0"),
])
def test_numbers_are_spelled_with_three_digits_or_with_commas(value, said):
    assert style.spelled(value) == said
