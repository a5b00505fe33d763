"""Two models' accounts for one token: counts in closed form, energies from sourced numbers, nothing free."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from mmf_teach.__main__ import main
from mmf_teach.cost import closed_form, comparison
from mmf_teach.cost.cache_size import decoder_of
from mmf_teach.cost.closed_form import Pass, parts
from mmf_teach.cost.comparison import CAUSES, FREE, MATMUL_FREE_LOSES, PRECISIONS, TWINS, Setting, account, compare
from mmf_teach.cost.prices import Range, operation_pj
from mmf_teach.lesson.widgets.compare import BATCHES, CONTEXTS, Compare, as_bars
from mmf_teach.quantity import load
from mmf_teach.tools.commands import compare as command

SMALL = Setting(size="shipped", context=100)


@pytest.mark.parametrize("name", PRECISIONS)
@pytest.mark.parametrize("context", [1, 100])
def test_trits_products_and_the_rest_are_all_that_the_closed_form_counts(name, context):
    config = comparison.config_of(PRECISIONS[name], "370M")
    total = closed_form.operations(config, context)
    found = account(name, Setting(size="370M", context=context, **side(name))).operations
    pairs = found["in products of matrices"]
    assert found["on trits"] == total["ternary"] and min(found.values()) >= 0
    assert found["other multiplications"] == total["multiply"] - pairs
    assert sum(found.values()) + pairs == total.total()      # a pair is a multiplication and an addition
    looked = 2 * config.blocks * config.width * (context + 1) if config.kind in ("transformer", "bitnet") else 0
    assert pairs + found["on trits"] == closed_form.matrix_weights(config) + looked          # each key, each value


def side(name: str) -> dict[str, str]:
    return {"free" if name in FREE else "twin": name}


def test_the_default_setting_is_the_one_worked_out_apart():
    """2.7B after 2,048 tokens, by hand: 2 bits in the sheet of facts are 1.6 here; gigabytes of weights and cache."""
    free, twin = compare(Setting())
    assert free.bytes["weights"] == pytest.approx(0.655e9 * 1.6 / 2, rel=2e-3)
    assert twin.bytes["weights"] + twin.bytes["state or cache"] == pytest.approx(5.91e9, rel=2e-3)
    shared = account("Transformer++, int4, heads share", Setting())
    assert 1.3e9 < shared.bytes["weights"] + shared.bytes["state or cache"] < 1.5e9
    assert account("Transformer++, fp16", Setting(context=32_768, batch=32)).bytes["state or cache"] == pytest.approx(
        10.74e9, rel=2e-3)


def test_energy_is_operations_and_bytes_times_their_sourced_costs():
    quoted, ddr4 = load("horowitz_2014"), load("memory")["ddr4"]
    found = account("Transformer++, int8", SMALL)
    rest = parts(found.config, Pass(context=100))
    functions = load("functions")
    multiply = quoted["fp16_mul"].value
    arithmetic = found.operations["in products of matrices"] * (quoted["int8_mul"].value + quoted["int32_add"].value)
    arithmetic += rest["multiply"] * multiply
    arithmetic += (rest["add"] + rest["subtract"] + rest["comparison"]) * quoted["fp16_add"].value
    arithmetic += sum(rest[name] * multiply * functions[name].value for name in functions)
    assert found.microjoules["arithmetic"].value == pytest.approx(1e-6 * arithmetic)
    assert found.microjoules["weights"].value == pytest.approx(
        1e-6 * 8 * ddr4.value * (closed_form.matrix_weights(found.config) + 2 * found.config.width))
    kept = decoder_of(found.config).moved_bytes(100)
    cache = found.microjoules["state or cache"]
    assert [cache.value, cache.low, cache.high] == pytest.approx(
        [1e-6 * 8 * kept * end for end in (ddr4.value, ddr4.low, ddr4.high)])


def test_a_trit_costs_an_addition_where_it_is_not_zero_and_a_pair_where_it_is_handed_to_a_product():
    free = account("MatMul-free, released form", SMALL)
    dense = account("MatMul-free, dense products", SMALL)
    trits = free.operations["on trits"]
    quoted = load("horowitz_2014")
    pair = quoted["fp16_mul"].value + quoted["fp32_add"].value
    more = dense.microjoules["arithmetic"].value - free.microjoules["arithmetic"].value
    assert more == pytest.approx(1e-6 * trits * (pair - 2 / 3 * quoted["int32_add"].value))
    assert dense.bytes["weights"] - 256 == pytest.approx(10 * (free.bytes["weights"] - 256))
    assert free.operations == dense.operations


def test_a_precision_is_what_its_name_says():
    bits = {"fp16": 16, "int8": 8, "int4": 4, "b1.58": 1.6, "form": 1.6, "dense": 16}
    for name, precision in PRECISIONS.items():
        assert [precision.weight_bits] == [each for word, each in bits.items() if word in name.split(" ", 1)[1]], name
        assert precision.trits_add == (precision.weight_bits == 1.6), name
        assert precision.equal_loss == ("equal loss" in name), name
        assert precision.shared_heads == ("heads share" in name or precision.equal_loss), name
        assert precision.kept_bits == (16 if name in FREE or "fp16" in name else 8), name
        config = comparison.config_of(precision, "370M")
        assert (config.heads != (config.kv_heads or config.heads)) == precision.shared_heads, name


def test_only_the_head_of_bitnet_is_fetched_in_eight_bits():
    found = account("BitNet b1.58, heads share", SMALL)
    head = found.config.width * found.config.vocab
    trits = found.operations["on trits"]
    assert parts(found.config)["dense"] == head
    assert found.bytes["weights"] == pytest.approx(trits * 1.6 / 8 + head + 2 * found.config.width)


@pytest.mark.parametrize("name", PRECISIONS)
def test_every_part_has_a_range_around_its_value_and_all_parts_make_the_total(name):
    found = account(name, Setting(**side(name)))
    assert tuple(found.microjoules) == CAUSES
    for part in found.microjoules.values():
        assert 0 < part.low <= part.value <= part.high and part.low < part.high
    for end in ("value", "low", "high"):
        assert getattr(found.total, end) == pytest.approx(sum(getattr(p, end) for p in found.microjoules.values()))


def test_an_operation_without_a_price_is_an_error():
    with pytest.raises(KeyError, match="gamma"):
        comparison.arithmetic_pj(Counter(gamma=1), FREE["MatMul-free, released form"])


def test_prices_are_quoted_and_reach_to_our_own_netlists():
    prices, quoted, simulated = operation_pj(), load("horowitz_2014"), load("gates_45nm")
    assert prices["int8_mul"] == Range(quoted["int8_mul"].value, quoted["int8_mul"].value, simulated["int8_mul"].high)
    assert prices["fp16_mul"] == Range(1.1, 0.7, 1.66)
    each = prices["multiply"]
    for name, many in load("functions").items():
        assert prices[name] == Range(many.value * each.value, many.low * each.low, many.high * each.high), name
    trit = prices["trit"]
    assert [trit.value, trit.low, trit.high] == pytest.approx([0.2 / 3, 0.2 / 3, simulated["ternary_mac"].high])
    assert prices["exponential"].high == pytest.approx(30 * 1.66)


def test_weights_are_shared_by_a_batch_and_what_is_kept_is_not():
    for name in PRECISIONS:
        one, many = (account(name, Setting(batch=batch, **side(name))) for batch in (1, 64))
        row = 2 * one.config.width
        assert (one.bytes["weights"] - row) == pytest.approx(64 * (many.bytes["weights"] - row))
        assert one.bytes["state or cache"] == many.bytes["state or cache"]
        assert one.operations == many.operations


def test_the_context_costs_only_the_models_that_look_back():
    for name in PRECISIONS:
        near, far = (account(name, Setting(context=context, **side(name))).total.value for context in (16, 65_536))
        assert (near == far) == (name in FREE)


def test_heads_that_share_keep_a_quarter_and_equal_loss_takes_fewer_blocks():
    plain, shared, small = (comparison.config_of(TWINS[name], "2.7B") for name in (
        "Transformer++, fp16", "Transformer++, int4, heads share", "Transformer++, int4, of equal loss"))
    assert decoder_of(plain).moved_bytes(7) == 4 * decoder_of(shared).moved_bytes(7)
    assert (plain.blocks, shared.blocks, small.blocks) == (32, 32, 9) and small.kv_heads == shared.kv_heads
    assert closed_form.matrix_weights(shared) == pytest.approx(closed_form.matrix_weights(plain), rel=1e-4)
    assert closed_form.matrix_weights(small) == pytest.approx(closed_form.matrix_weights(plain) / 3.6, rel=0.11)


def test_matmul_free_wins_by_far_at_the_beginning_and_one_click_away_it_does_not():
    free, twin = compare(Setting())
    assert free.total.high < twin.total.low / 4
    free, twin = compare(MATMUL_FREE_LOSES)
    assert free.total.value > 1.2 * twin.total.value
    assert comparison.in_words((free, twin)).startswith(free.name)
    changed = {name for name in vars(Setting()) if getattr(MATMUL_FREE_LOSES, name) != getattr(Setting(), name)}
    assert changed == {"twin"}
    again = compare(replace(MATMUL_FREE_LOSES, context=32_768))
    assert again[0].total.value < again[1].total.value


def test_handed_to_dense_products_trits_gain_nothing():
    """The control: as the authors' code runs, at a context of one token, it is a draw within a thousandth."""
    free, twin = compare(Setting(free="MatMul-free, dense products", context=1))
    assert free.total.value == pytest.approx(twin.total.value, rel=1e-3)


@pytest.mark.parametrize("wrong", [
    {"free": "Transformer++, fp16"}, {"twin": "an abacus"}, {"size": "3B"}, {"memory": "paper"}, {"context": 0},
    {"batch": 0},
])
def test_a_setting_that_is_none_of_the_choices_is_refused(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))} is "):
        Setting(**wrong)


# The widget


@pytest.fixture(scope="module")
def widget():
    return Compare()


def from_line(entry: dict, context: int, batch: int, memory: list[float]) -> list[list[float]]:
    """What the script computes: value, low and high end of arithmetic, weights and state or cache, in microjoules."""
    moved = (entry["weights"] / batch + entry["row"], entry["kept"][0] + entry["kept"][1] * context)
    arithmetic = [a + b * context for a, b in entry["arithmetic"]]
    return [arithmetic, *([each * 1e-6 * end for end in memory] for each in moved)]


@pytest.mark.parametrize("size", comparison.SIZES)
@pytest.mark.parametrize("name", PRECISIONS)
def test_the_script_s_straight_lines_are_the_account_at_both_ends(widget, name, size):
    for context, batch, memory in ((CONTEXTS[0], BATCHES[0], "DDR4"), (CONTEXTS[-1], BATCHES[-1], "HBM2")):
        setting = Setting(size=size, context=context, batch=batch, memory=memory, **side(name))
        exact, entry = account(name, setting), widget.table[name][size]
        drawn = from_line(entry, context, batch, widget.memories[memory])
        for cause, ends in zip(CAUSES, drawn, strict=True):
            part = exact.microjoules[cause]
            assert ends == pytest.approx([part.value, part.low, part.high], rel=1e-6)
        for kind, (base, slope) in entry["operations"].items():
            assert base + slope * context == pytest.approx(exact.operations[kind])


def test_the_widget_opens_and_loses_in_settings_that_it_can_show(widget):
    for setting in (widget.start, widget.losing):
        Setting(**setting)
        assert setting["context"] in widget.contexts and setting["batch"] in widget.batches
        assert setting["free"] in widget.free and setting["twin"] in widget.twins
        assert setting["memory"] in widget.memories
    assert len(json.dumps(widget.table)) < 60_000 and "run this cell" in repr(widget)


def test_the_figure_shows_the_same_numbers():
    accounts = compare(Setting())
    bars = as_bars(accounts)
    assert list(bars) == [one.name for one in accounts]
    assert all(tuple(parts) == CAUSES for parts in bars.values())
    assert sum(bars[accounts[0].name].values()) == pytest.approx(accounts[0].total.value)


# The command


def test_the_command_s_words_are_the_library_s():
    assert set(command.MODELS.values()) == set(FREE) and set(command.TWINS.values()) == set(TWINS)


def test_the_command_prints_what_the_library_computes(capsys):
    asked = ["compare", "--twin", "equal-loss", "--size", "1.3B", "--context", "64", "--batch", "4", "--memory", "HBM2"]
    assert main([*asked, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    setting = Setting(
        twin="Transformer++, int4, of equal loss", size="1.3B", context=64, batch=4, memory="HBM2")
    assert document["setting"] == vars(setting) and document["kind"] == "modelled" and document["unit"] == "uJ/token"
    for printed, exact in zip(document["models"], compare(setting), strict=True):
        assert printed["name"] == exact.name and printed["operations"] == exact.operations
        assert printed["total"]["value"] == pytest.approx(exact.total.value)
        assert set(printed["energy"]) == set(CAUSES) and set(printed["energy"]["weights"]) == {"value", "low", "high"}
    assert main(asked) == 0
    assert document["in_words"] in capsys.readouterr().out


def test_the_command_refuses_a_text_of_no_length(capsys):
    assert main(["compare", "--context", "0"]) == 1
    assert "context is a number from 1 up" in capsys.readouterr().err
