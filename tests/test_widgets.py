"""Widgets hold their state in Python, say what they are where nothing draws them, and leave no trace on a page."""

import asyncio
import json
import re
from itertools import pairwise, product

import numpy as np
import pytest
import torch
import traitlets
from fixtures.tiny import CORPUS
from IPython.core.formatters import DisplayFormatter

from hardware_sim.assembler import assemble
from hardware_sim.paper2024.inputs import random_memory
from hardware_sim.paper2024.machine import TOKEN_MIXER, paper2024
from mmf_teach.cost.model_operations import remaining_operations, ternary_operations
from mmf_teach.lesson import progress_bar
from mmf_teach.lesson.figures import style
from mmf_teach.lesson.parsons_problem import parsons
from mmf_teach.lesson.prediction import predict
from mmf_teach.lesson.quiz import exit_ticket
from mmf_teach.lesson.widgets import explorer, outlier, writer
from mmf_teach.lesson.widgets.bit_planes import BitPlanes
from mmf_teach.lesson.widgets.compare import Compare
from mmf_teach.lesson.widgets.energy_split import EnergySplit
from mmf_teach.lesson.widgets.letter_trace import LetterTrace
from mmf_teach.lesson.widgets.moved_bytes import MovedBytes
from mmf_teach.lesson.widgets.outlier import EDGES, RULES, SHAPES, SIZES, Outlier, in_words, others, outlier_view
from mmf_teach.lesson.widgets.packing_byte import PackingByte
from mmf_teach.lesson.widgets.stepper import Stepper
from mmf_teach.lesson.widgets.ternary_dot import TernaryDot
from mmf_teach.lesson.widgets.writer import Writer, count_operations, writing
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.generate import generate

EVERY = {                                    # one of each kind; the writer, which needs a model, has tests of its own
    "bit_planes": BitPlanes, "compare": Compare, "energy_split": EnergySplit, "outlier": Outlier,
    "packing_byte": PackingByte, "ternary_dot": TernaryDot, "moved_bytes": MovedBytes,
    "letter_trace": lambda: LetterTrace(
        build(ModelConfig("matmul_free", len(CORPUS.vocabulary), 16, 1)).eval(), CORPUS.vocabulary, text="a hat"),
    "stepper": lambda: stepper(clocked=True),
    "prediction": lambda: predict("01.a", "How many?", "pJ"), "quiz": lambda: exit_ticket("01"),
    "reorder": lambda: parsons("01.3"),
}


def stepper(clocked: bool) -> Stepper:
    """The token mixer on a small machine."""
    machine = paper2024(4, 2, 2)
    program = assemble(TOKEN_MIXER.read_text("utf-8"), machine.instruction_set, machine.region_bytes)
    return Stepper(program, random_memory(program, machine, 0), machine, clocked)


COMMON = {"layout", "tabbable", "tooltip"}   # every ipywidget has these
SCRIPTS = sorted(explorer.HERE.glob("*.js"))
TEMPERATURES = [0.0, 0.5, 1.0, 1.5]
PROMPTS = ["t", "a man had a hat. " * 2]


@pytest.fixture(scope="module")
def model():
    """A small model with random weights."""
    torch.manual_seed(2)
    return build(ModelConfig("matmul_free", len(CORPUS.vocabulary), 16, 1)).eval()


@pytest.fixture
def two(model):
    """Two writers on one page."""
    settings = {"prompt": "the ", "length": 12}
    return Writer(model, CORPUS.vocabulary, **settings), Writer(model, CORPUS.vocabulary, **settings)


def on_the_page(widget) -> dict:
    """What the page sends when Write is pressed: its settings."""
    return {name: getattr(widget, name) for name in ("prompt", "temperature", "length")}


def write(widget) -> None:
    asyncio.run(widget.write(**on_the_page(widget)))


def test_a_widget_is_a_sentence_where_nothing_draws_it(two):
    for widget in two:
        said = str(widget)
        assert said == repr(widget) == Writer.sentence and "run this cell" in said
        shown, _ = DisplayFormatter().format(widget)
        assert shown.get("text/plain", said) == said and "0x" not in said
    assert "run this cell" in explorer.Explorer.sentence


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_each_letter_is_the_models_and_costs_the_same_as_the_one_before(model, prompt, temperature):
    """At lengths 1, 50 and 300: a shorter text is the beginning of a longer one, the counts grow in equal strides."""
    each = count_operations(model)
    longest = list(writing(model, CORPUS.vocabulary, prompt, temperature, 300, seed=7))
    letters = CORPUS.vocabulary.decode(list(generate(model, CORPUS.vocabulary.encode(prompt), 300, temperature, 7)))
    for done, now in enumerate(longest, start=1):
        read = len(prompt) + done - 1
        assert now.text == letters[:done] and now.letters_per_second > 0
        assert now.operations == {name: read * count for name, count in each.items()}
    assert len(longest) == 300
    for length in (1, 50):
        shorter = list(writing(model, CORPUS.vocabulary, prompt, temperature, length, seed=7))
        assert [now.text for now in shorter] == [now.text for now in longest[:length]]


def test_what_a_letter_costs_is_what_its_trits_ask_for_and_what_still_multiplies(model):
    trits, counts = ternary_operations(model), count_operations(model)
    assert counts == {
        "additions": trits["add"], "subtractions": trits["subtract"], "zeros skipped": trits["skip"],
        "multiplications left": remaining_operations(model)["multiply"],
        "a dense twin would multiply": trits["add"] + trits["subtract"] + trits["skip"],
    }
    assert all(counts.values())


def test_no_letters_are_no_work(model):
    assert list(writing(model, CORPUS.vocabulary, "the", 0.7, 0)) == []


def test_a_letter_that_the_model_does_not_know_is_told_before_it_writes(model):
    with pytest.raises(ValueError, match="does not know the character 'Z'"):
        list(writing(model, CORPUS.vocabulary, "theZ", 0.7, 5))


def test_a_new_writer_has_written_nothing_and_counted_nothing(two, model):
    assert (two[0].text, two[0].busy, two[0].problem, two[0].letters_per_second) == ("", False, "", 0.0)
    assert two[0].operations == dict.fromkeys(count_operations(model), 0)


def test_writing_fills_the_text_letter_by_letter_to_the_length_asked(two, model):
    widget, seen = two[0], []
    widget.observe(lambda change: seen.append((change["new"], widget.busy)), "text")
    write(widget)
    last = list(writing(model, CORPUS.vocabulary, "the ", widget.temperature, 12, seed=0))[-1]
    assert (widget.text, widget.operations) == (last.text, last.operations)
    assert widget.letters_per_second > 0 and not widget.busy and widget.problem == ""
    assert [(len(text), busy) for text, busy in seen] == [(n, True) for n in range(1, 13)]


def test_each_text_is_another_one_and_two_writers_write_alike(two):
    first, second = two
    texts = []
    for _ in range(3):
        write(first)
        texts.append(first.text)
    assert len(set(texts)) == 3
    assert second.text == "" and second.operations["additions"] == 0
    for text in texts:
        write(second)
        assert second.text == text


def test_a_wish_to_stop_is_heard_between_two_letters(two):
    widget = two[0]

    async def stopped_after(letters: int):
        writing_task = asyncio.ensure_future(widget.write(**on_the_page(widget)))
        while len(widget.text) < letters:
            await asyncio.sleep(0)
        widget.answer("stop")
        await writing_task

    asyncio.run(stopped_after(3))
    assert 3 <= len(widget.text) <= 4 and not widget.busy
    write(widget)
    assert len(widget.text) == 12


def test_a_press_on_write_starts_one_text_and_a_second_press_no_other(two):
    widget, runs = two[0], []
    widget.observe(lambda change: runs.append(change["new"]), "busy")

    async def pressed():
        widget.answer(on_the_page(widget))
        await asyncio.sleep(0)
        widget.answer(on_the_page(widget))
        await widget.task

    asyncio.run(pressed())
    assert len(widget.text) == 12 and runs == [True, False] and widget.seed == 0


def test_a_press_where_no_kernel_runs_writes_in_one_go(two):
    two[0]._handle_custom_msg(on_the_page(two[0]), [])
    assert len(two[0].text) == 12 and not two[0].busy


def test_what_the_page_shows_is_written_even_where_the_sliders_own_news_is_still_on_its_way(two, model):
    """A slow kernel hears of a slider later than of the button."""
    two[0].answer({"prompt": "and ", "temperature": 0.0, "length": 7})
    last = list(writing(model, CORPUS.vocabulary, "and ", 0.0, 7))[-1]
    assert (two[0].text, two[0].operations) == (last.text, last.operations) and two[0].length == 12


@pytest.mark.parametrize(("settings", "said"), [
    ({"prompt": "the Zoo"}, "does not know the character 'Z'"), ({"prompt": ""}, "at least one character"),
    ({"temperature": -1.0}, "temperature (-1.0)"),
])
def test_what_cannot_be_written_is_told_in_a_sentence_and_the_next_text_is_fine(two, settings, said):
    widget = two[0]
    before = {name: getattr(widget, name) for name in settings}
    widget.set_trait(*next(iter(settings.items())))
    write(widget)
    assert said in widget.problem and not widget.busy and widget.text == ""
    widget.set_trait(*next(iter(before.items())))
    write(widget)
    assert widget.problem == "" and len(widget.text) == 12


def test_what_goes_to_the_page_are_plain_values_and_never_the_model(two):
    synced = {name for name in two[0].trait_names(sync=True) if not name.startswith("_")}
    synced -= {"layout", "tabbable", "tooltip"}          # every ipywidget has these
    assert synced == {"prompt", "temperature", "length", "text", "operations", "letters_per_second", "busy", "problem"}
    json.dumps({name: getattr(two[0], name) for name in synced})


def test_the_page_draws_each_count_in_the_colour_that_it_has_in_figures(model):
    script = (explorer.HERE / "writer.js").read_text("utf-8")
    colours = dict(re.findall(r'"([a-z ]+)": "(#[0-9A-F]{6})"', script))
    assert colours == {
        "additions": style.PLUS, "subtractions": style.MINUS, "zeros skipped": style.ZERO,
        "multiplications left": style.MULTIPLY, "a dense twin would multiply": style.PURPLE,
    }
    assert list(colours) == list(count_operations(model))


def test_a_widget_gets_the_common_parts_and_its_own_script():
    both = [(explorer.HERE / f"{name}.js").read_text("utf-8") for name in ("explorer", "writer")]
    assert explorer.script("writer") == "".join(both)
    assert writer.Writer._esm == explorer.script("writer") or str(writer.Writer._esm) == explorer.script("writer")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_marks_the_page_with_ids_or_fetches_anything(path):
    code = re.sub(r"//.*", "", path.read_text("utf-8").replace("://", ":%%"))
    for forbidden in (
        r"getElementById", r"\bid\s*[:=]\s*[\"'`]", r"[\"'`]#[A-Za-z]\w*[\"'`]\)", r"setAttribute\(\"id\"", ":%%",
        r"\bimport\b", r"\bfetch\(", r"XMLHttpRequest", r"innerHTML", r"(?:window|document|body)\.addEventListener",
        r"setInterval",
    ):
        assert not re.search(forbidden, code), forbidden


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.stem != "explorer"], ids=lambda path: path.stem)
def test_every_script_listens_through_its_frame_and_hands_back_what_lets_go(path):
    code = path.read_text("utf-8")
    render = code[code.index("function render(") : code.index("\n}\n", code.index("function render("))]
    assert "frame(model, el, " in render and "export default { render };" in code
    assert "model.on(" not in code
    assert set(re.findall(r"^(?:  |    )return (?!\")(\S+);$", render, re.MULTILINE)) == {"view.close"}
    assert render.rstrip().endswith("return view.close;")


def test_the_frame_lets_go_of_whatever_it_listened_to_and_keeps_arrow_keys_inside():
    common = (explorer.HERE / "explorer.js").read_text("utf-8")
    assert common.count("model.on(") == common.count("model.off(") == 1
    assert 'root.addEventListener("keydown", (event) => event.stopPropagation())' in common


def test_the_stylesheet_fetches_nothing_and_colours_only_what_is_ours():
    styles = (explorer.HERE / "explorer.css").read_text("utf-8")
    assert "url(" not in styles and "@import" not in styles and "#mmf" not in styles
    rules = re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL)
    selectors = [s.strip() for block in re.findall(r"([^{}]+)\{", rules) for s in block.split(",")]
    assert selectors and all(s.startswith((".mmf", "@media")) for s in selectors)


# Every widget


def sent(widget) -> dict:
    """What goes to the page."""
    names = {name for name in widget.trait_names(sync=True) if not name.startswith("_")} - COMMON
    return {name: getattr(widget, name) for name in names}


def test_no_widget_is_left_out_here():
    assert {path.stem for path in SCRIPTS} == {*EVERY, "explorer", "writer"}


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("name", EVERY)
def test_a_widget_sends_little_and_only_plain_values_and_is_a_sentence_without_a_page(name):
    widget = EVERY[name]()
    state = sent(widget)
    assert state and len(json.dumps(state, allow_nan=False)) < 120_000
    assert json.loads(json.dumps(state)) == state, "keys are texts, and lists are lists"
    assert "un this cell" in repr(widget) and str(widget) == repr(widget)
    assert str(widget._esm) == explorer.script(name)


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("name", EVERY)
def test_no_state_takes_a_value_of_another_kind(name):
    widget = EVERY[name]()
    for state, value in sent(widget).items():
        if not isinstance(value, type(None)):
            wrong = 3 if not isinstance(value, int) else "three"
            with pytest.raises(traitlets.TraitError):
                setattr(widget, state, wrong)
            assert getattr(widget, state) == value


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("name", [*EVERY, "writer"])
def test_what_the_script_of_a_widget_reads_and_nothing_else_is_sent_to_it(name, two):
    widget = two[0] if name == "writer" else EVERY[name]()
    code = (explorer.HERE / f"{name}.js").read_text("utf-8")
    sent_names = set(sent(widget))
    assert set(re.findall(r'[gs]et\("(\w+)"', code)) <= sent_names
    assert sent_names <= set(re.findall(r'"(?:change:)?(\w+)"', code))


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("name", EVERY)
def test_what_there_is_to_choose_from_is_listed_once_and_numbers_in_their_order(name):
    for state, listed in sent(EVERY[name]()).items():
        if state in ("sizes", "contexts", "batches", "edges", "shapes", "rules", "formats", "free", "twins", "rivals"):
            assert listed and (isinstance(listed, str) or len(set(listed)) == len(listed) > 1)
        if state in ("contexts", "batches", "edges") or (state == "sizes" and not isinstance(listed[0], str)):
            assert listed == sorted(listed)


@pytest.mark.usefixtures("without_type_checks")
def test_the_contexts_go_from_a_few_letters_to_a_book():
    moved, compared, split = MovedBytes(), Compare(), EnergySplit()
    assert moved.contexts == [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144]
    assert (compared.contexts[0], compared.contexts[-1], compared.batches[-1]) == (1, 131_072, 256)
    assert all(after == 2 * before for row in (compared.contexts, compared.batches, split.batches)
               for before, after in pairwise(row))


def test_every_row_of_trits_has_its_sums_its_bits_and_its_sentence():
    dot, planes = TernaryDot(), BitPlanes()
    for widget, numbers in ((dot, dot.inputs), (planes, planes.codes)):
        rows = {key: tuple(map(int, key.split(","))) for key in widget.table}
        assert set(rows.values()) == set(product((-1, 0, 1), repeat=len(numbers))) and len(rows) == 3 ** len(numbers)
        assert widget.colours == {"1": style.PLUS, "0": style.ZERO, "-1": style.MINUS}
        for key, trits in rows.items():
            total = sum(trit * number for trit, number in zip(trits, numbers, strict=True))
            assert widget.table[key]["said"].endswith((f"the sum is {total}", f"for the -1s = {total}"))
        assert len(widget.trits) == len(numbers) and set(widget.trits) <= {-1, 0, 1}
    for key, row in dot.table.items():
        trits = list(map(int, key.split(",")))
        assert row["sums"] == np.cumsum(np.multiply(trits, dot.inputs)).tolist()
        assert row["said"].startswith((f"{trits.count(1)} addition", f"{trits.count(1)} additions"))
    assert dot.actions == {"1": "add", "0": "skip", "-1": "subtract"}
    assert planes.places == [-128, 64, 32, 16, 8, 4, 2, 1]
    for key, row in planes.table.items():
        trits = list(map(int, key.split(",")))
        worth = sum(place * bit for bits in row["bits"] for place, bit in zip(planes.places, bits, strict=True))
        assert worth + trits.count(-1) == sum(np.multiply(trits, planes.codes)), "a -1 turns bits round and adds one"


def test_every_byte_of_five_trits_is_a_row_and_the_others_have_none():
    widget = PackingByte()
    for byte, trits in enumerate(widget.rows):
        digits = [byte // 3**place % 3 - 1 for place in range(5)]
        assert trits == (digits if byte < 3**5 else None)
    assert len(widget.rows) == 256 and widget.places == [1, 3, 9, 27, 81]
    assert widget.colours == {"1": style.PLUS, "0": style.ZERO, "-1": style.MINUS}


@pytest.mark.usefixtures("without_type_checks")
def test_each_sentence_of_a_letter_trace_names_its_quantity():
    widget = EVERY["letter_trace"]()
    assert [said.partition(":")[0] for said in widget.said] == list(widget.rows)
    assert widget.colours == [style.MINUS, style.PLUS] and widget.longest == 64 and widget.counted == "Feature"


def test_letters_a_second_are_letters_by_seconds(model, monkeypatch):
    clock = iter([100.0, 100.5, 102.0, 102.5])
    monkeypatch.setattr(writer.time, "perf_counter", lambda: next(clock))
    rates = [now.letters_per_second for now in writing(model, CORPUS.vocabulary, "the", 0.0, 3)]
    assert rates == [1 / 0.5, 2 / 2.0, 3 / 2.5]


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("clocked", [False, True])
def test_a_stepper_begins_at_the_start_and_has_the_registers_of_its_machine_and_the_colours_of_the_units(clocked):
    widget = stepper(clocked)
    assert (widget.at, widget.clocked, widget.registers) == (0, clocked, 8) and len(widget.rows) > 1
    assert widget.last == (len(widget.rows) if not clocked else max(row["end"] for row in widget.rows))
    assert widget.colours == {
        "load/store": style.ORANGE, "rowwise": style.GREEN, "tmatmul": style.BLUE, "norm": style.PURPLE}
    assert {row["unit"] for row in widget.rows} - {""} <= set(widget.colours) and widget.waiting == style.ZERO


@pytest.mark.parametrize(("given", "total", "most"), [([3, 4, 5], None, 3), (iter([3, 4, 5]), 7, 7)])
def test_a_progress_bar_hands_on_everything_counts_it_and_is_gone_at_the_end(monkeypatch, given, total, most):
    seen, cleared, made = [], [], []
    monkeypatch.setattr(progress_bar, "display", lambda data, raw: seen.append((data, raw)))
    monkeypatch.setattr(progress_bar, "clear_output", lambda: cleared.append(made[0].value))
    whole = progress_bar.IntProgress
    monkeypatch.setattr(progress_bar, "IntProgress", lambda **settings: made.append(whole(**settings)) or made[0])
    counted = [(item, made[0].value) for item in progress_bar.bar(given, "training", total)]
    assert counted == [(3, 0), (4, 1), (5, 2)] and cleared == [3]
    assert (made[0].max, made[0].description) == (most, "training") and made[0].comm is None
    (data, raw), = seen
    view, = data.values()
    assert raw is True and list(data) == ["application/vnd.jupyter.widget-view+json"]
    assert (view["version_major"], view["version_minor"]) == (2, 0) and view["model_id"]


def test_a_byte_stays_between_0_and_255():
    widget = PackingByte()
    for byte in (-1, 256):
        with pytest.raises(traitlets.TraitError):
            widget.byte = byte


# The outlier


def rounded_by_hand(rule: str, size: float, shape: str) -> tuple[float, list[int]]:
    """Scale and codes of the ordinary weights, one at a time."""
    weights = np.float32(others(shape)[0]).tolist()
    sizes = [*map(abs, weights), size]
    scale = {
        "trits, scale = largest": max(sizes), "trits, scale = mean": sum(sizes) / len(sizes),
        "int8, scale = largest / 127": max(sizes) / 127,
    }[rule]
    most = 127 if "int8" in rule else 1
    return scale, [max(-most, min(most, round(weight / scale))) for weight in weights]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", SIZES)
def test_every_setting_of_the_outlier_shows_what_rounding_by_hand_gives(shape, rule, size):
    view = outlier_view(shape, rule, size)
    scale, codes = rounded_by_hand(rule, size, shape)
    weights = others(shape)[0]
    assert view.threshold == pytest.approx(scale / 2, abs=0.0006)
    assert view.zero_percent == pytest.approx(100 * codes.count(0) / len(codes), abs=0.06)
    missing = sum((weight - scale * code) ** 2 for weight, code in zip(weights, codes, strict=True))
    assert view.lost_percent == pytest.approx(100 * missing / sum(weights**2), abs=0.06)
    most = 127 if "int8" in rule else 1
    assert view.outlier_becomes == pytest.approx(scale * min(most, round(size / scale)), abs=0.006)
    for (low, high), (minus, zero, plus) in zip(pairwise(EDGES), view.bins, strict=True):
        inside = [code for code, weight in zip(codes, weights, strict=True) if low <= weight < high]
        assert (minus, zero, plus) == (sum(c < 0 for c in inside), inside.count(0), sum(c > 0 for c in inside))
    assert sum(map(sum, view.bins)) == sum(EDGES[0] <= weight < EDGES[-1] for weight in weights)


def test_the_page_of_the_outlier_has_every_setting_and_its_sentence():
    widget = Outlier()
    assert set(widget.table) == set(SHAPES) and widget.colours == [style.MINUS, style.ZERO, style.PLUS]
    for shape in SHAPES:
        assert set(widget.table[shape]) == set(RULES)
        for rule in RULES:
            assert list(widget.table[shape][rule]) == [str(size) for size in SIZES]
            for size in SIZES:
                view, row = outlier_view(shape, rule, size), widget.table[shape][rule][str(size)]
                assert row == {"bins": view.bins, "threshold": view.threshold, "said": in_words(view, size)}
                assert f"{view.lost_percent:.1f} %" in row["said"] and len(row["bins"]) == len(EDGES) - 1


def test_the_widget_answers_its_question_one_large_weight_silences_the_others_if_the_largest_is_the_scale():
    silenced = [outlier_view("bell curve", "trits, scale = largest", size).zero_percent for size in SIZES]
    assert silenced == sorted(silenced) and silenced[0] < 95 and silenced[-1] == 100
    spared = [outlier_view("bell curve", "trits, scale = mean", size).zero_percent for size in SIZES]
    assert max(spared) - min(spared) < 10


@pytest.mark.parametrize("shape", SHAPES)
def test_the_other_weights_are_always_the_same_and_their_mean_size_is_one(shape):
    assert np.array_equal(others(shape), others(shape)) and others(shape).shape == (1, outlier.OTHERS)
    assert np.abs(others(shape)).mean() == pytest.approx(1)
    assert abs(others(shape).mean()) < 0.1, "as many are negative as positive"


@pytest.mark.parametrize(("shape", "rule"), [("a cross", "trits, scale = mean"), ("flat", "no rule")])
def test_a_shape_or_a_rule_that_is_not_listed_is_refused(shape, rule):
    with pytest.raises(KeyError):
        outlier_view(shape, rule, 4)
