"""The audit counts what is executed, nothing unknown is free, and the closed form agrees to the last operation."""

import json
from collections import Counter
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from numba import njit
from torch import nn
from torch.nn.functional import silu

from mmf_teach.__main__ import main
from mmf_teach.cost import closed_form
from mmf_teach.cost.cache_size import decoder_of
from mmf_teach.cost.closed_form import Pass
from mmf_teach.cost.model_operations import remaining_operations, ternary_operations
from mmf_teach.cost.operation_counter import audit as textbook
from mmf_teach.cost.operation_counter.audit import TERNARY, fresh
from mmf_teach.cost.operation_counter.counter import counting
from mmf_teach.cost.operation_counter.torch_operations import COUNTS, FREE, counted
from mmf_teach.engine.accelerate import accelerate
from mmf_teach.engine.operation_counts import KERNELS, audit
from mmf_teach.engine.packed_linear import PackedLinear, pack
from mmf_teach.layers import mlgru_scan as textbook_scan
from mmf_teach.model.build import MODELS, RUNNING, TERNARY as MATMUL_FREE, build
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.reference import ternary_matmul as naive

SIZES = [ModelConfig("transformer", 5, 8, 1), ModelConfig("transformer", 11, 48, 3, heads=2, inner_width=40),
         ModelConfig("transformer", 65, 64, 2, heads=4)]
every_kind = pytest.mark.parametrize("kind", MODELS)
every_size = pytest.mark.parametrize(("size", "tokens"), list(zip(SIZES, (1, 5, 2), strict=True)))


def of_kind(kind: str, config: ModelConfig) -> ModelConfig:
    """The same sizes; heads share where there are some, and the window of the hybrid is shorter than the text."""
    changed = replace(config, kind=kind)
    if kind in ("transformer", "bitnet", "binary_bitnet", "hybrid") and config.heads > 1:
        changed = replace(changed, kv_heads=1)
    return replace(changed, reach=3) if kind == "hybrid" else changed


def together(operations: Counter) -> Counter:
    """Operations with what trits ask for in one entry, as the closed form has them."""
    trits = sum(operations.pop(kind, 0) for kind in TERNARY)
    return operations + Counter(ternary=trits)


@every_kind
@every_size
def test_the_closed_form_agrees_with_what_running_executes_to_the_last_operation(kind, size, tokens):
    config = of_kind(kind, size)
    assert together(audit(fresh(config, "inference"), tokens).operations) == closed_form.reading(config, tokens)


@every_kind
@every_size
def test_the_closed_form_agrees_with_what_learning_executes_to_the_last_operation(kind, size, tokens):
    config = of_kind(kind, size)
    assert audit(fresh(config, "training"), tokens, "training").operations == closed_form.training(config, tokens)


@every_kind
def test_the_closed_form_agrees_where_a_pass_goes_on_from_a_text_that_was_read(kind):
    config = of_kind(kind, SIZES[2])
    model, text = fresh(config, "training"), torch.arange(7)[None]
    _, state = model(text[:, :4])
    with counting(model, {}) as counter:
        model(text[:, 4:], state)
    assert sum(counter.by_layer.values(), Counter()) == closed_form.total(config, Pass(3, context=4, learns=True))


@pytest.mark.parametrize("kind", [*sorted(MATMUL_FREE), "hybrid"])
def test_with_a_float_head_there_is_one_product_more_and_the_closed_form_agrees(kind):
    config = of_kind(kind, SIZES[2])
    plain, floated = (audit(fresh(config, "inference", float_head), 1) for float_head in (False, True))
    assert together(floated.operations) == closed_form.with_float_head(config)
    assert floated.matmul_calls == plain.matmul_calls + 1


@pytest.mark.parametrize("kind", sorted(MATMUL_FREE))
def test_a_matmul_free_model_that_runs_calls_no_product_of_matrices_and_one_that_learns_does(kind):
    config = of_kind(kind, SIZES[1])
    running, learning = audit(fresh(config, "inference"), 3), audit(fresh(config, "training"), 3, "training")
    assert running.matmul_calls == 0 and not running.matmuls
    maps = sum(1 for layer in build(config).modules() if hasattr(layer, "weight") and hasattr(layer, "norm"))
    assert learning.matmul_calls == maps and set(learning.matmuls) == {"torch mm"}
    assert sum(running.operations[kind] for kind in TERNARY) == 3 * closed_form.matrix_weights(config)
    assert not any(learning.operations[kind] for kind in TERNARY)


@pytest.mark.parametrize("kind", sorted(set(MODELS) - MATMUL_FREE))
def test_every_rival_calls_products_of_matrices_when_it_runs(kind):
    assert audit(fresh(of_kind(kind, SIZES[2]), "inference"), 2).matmul_calls > 0


def test_trits_are_counted_as_the_model_has_them():
    model = load_model(SHIPPED_MODEL)[0]
    trits, rest = ternary_operations(model), remaining_operations(model)
    found = audit(model, 2)
    assert [found.operations[kind] for kind in TERNARY] == [2 * trits[key] for key in ("add", "subtract", "skip")]
    assert all(found.operations[kind] == 2 * count for kind, count in rest.items()) and found.matmul_calls == 0


def test_a_packed_model_says_what_the_model_said():
    """What is audited is the same model: its scores change by nothing but the order of a float product."""
    model, letters = load_model(SHIPPED_MODEL)
    text = letters.encode("ROMEO:")[None]
    before = model.read(text)[0]
    assert not any(isinstance(layer, PackedLinear) for layer in model.modules())
    after = pack(model).read(text)[0]
    assert sum(isinstance(layer, PackedLinear) for layer in model.modules()) == 43
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-4)


def test_signs_skip_nothing_and_trits_skip_about_a_third():
    config = SIZES[2]
    binary = audit(fresh(replace(config, kind="binary_bitnet"), "inference"), 1).operations
    ternary = audit(fresh(replace(config, kind="bitnet"), "inference"), 1).operations
    assert binary["skipped_zero"] == 0
    assert ternary["skipped_zero"] == pytest.approx(sum(ternary[kind] for kind in TERNARY) / 3, rel=0.02)


@every_kind
def test_layers_add_up_and_every_multiplication_has_a_reason(kind):
    found = audit(fresh(of_kind(kind, SIZES[1]), "inference"), 2)
    assert sum(found.grouped().values(), Counter()) == found.operations
    assert sum(found.multiplications().values()) == found.operations["multiply"]
    assert "the rest" not in found.multiplications()
    mixers = [name for name in found.grouped() if name.endswith("token_mixer")]
    assert len(mixers) == (6 if kind == "mamba" else 3) and "head" in found.grouped()


def test_reasons_name_the_multiplications_of_one_block_as_counted_by_hand():
    """The released form, width 8, inner width 256: 9 norms and the head's two, 6 maps and the head's."""
    found = audit(fresh(ModelConfig("matmul_free_released", 5, 8, 1), "inference"), 1)
    assert found.multiplications() == {
        "norms": 3 * (10 * 8 + 256), "scales of the sums": 4 * 9 + 513 + 9 + 6, "gated unit": 512,
        "int8 codes": 6 * 9 + 257, "gates and memory": 6 * 8}


@every_kind
def test_weights_are_moved_once_a_step_and_the_state_is_what_the_formula_says(kind):
    config = of_kind(kind, SIZES[2])
    model = fresh(config, "inference")
    trits = sum(-(-layer.trits.numel() // 5) for layer in model.modules() if hasattr(layer, "trits"))
    apart = ("bounds", "embedding.weight")   # made into constants beforehand; read a row at a time
    floats = sum(4 * each.numel() for name, each in model.named_parameters() if name not in apart)
    scales = 4 * sum(hasattr(layer, "trits") for layer in model.modules())
    found = audit(model, 4)
    row = 4 * config.width
    assert found.bytes["weights"] == 4 * (trits + floats + scales + row)
    counts = 0 if kind != "hybrid" else 4 * 2 * 8           # tokens read: a whole number, read and written
    assert found.bytes["state"] == 4 * sum(decoder_of(config).moved_bytes(context) for context in range(4)) + counts


@every_kind
def test_a_pass_that_learns_moves_all_weights_once_and_a_row_for_each_token(kind):
    config = of_kind(kind, SIZES[2])
    model = fresh(config, "training")
    floats = sum(4 * each.numel() for name, each in model.named_parameters() if name != "embedding.weight")
    found = audit(model, 4, "training").bytes
    assert found["weights"] == floats + 4 * 4 * config.width
    counts = 8 if kind == "hybrid" else 0     # tokens read, a whole number
    assert found["state"] == 4 * decoder_of(config).kept_bytes(4) + counts
    assert found["activations"] > 4 * 4 * (config.width + config.vocab)


def test_a_weight_moves_with_the_tokens_that_read_it_and_with_no_others():
    def weights(times: int) -> int:
        model, calls = with_mixer(lambda x: x * own if next(calls) < times else x), count()
        own = model.blocks[0].channel_mixer.own = nn.Parameter(torch.ones(8))
        return audit(model, 3).bytes["weights"]

    assert [weights(times) - weights(0) for times in (1, 2, 3)] == [4 * 8, 2 * 4 * 8, 3 * 4 * 8]


def test_a_model_is_fresh_as_its_form_asks_and_a_token_s_share_is_whole_where_it_can_be():
    config = ModelConfig("matmul_free", 5, 8, 1)
    assert fresh(config, "training").training and not fresh(config, "inference").training
    for (all_of_them, tokens), want in {(6, 3): 2, (7, 2): 3.5, (1, 2): 0.5, (0, 4): 0, (5, 1): 5}.items():
        share = textbook.shared(all_of_them, tokens)
        assert share == want and type(share) is type(want)


def test_only_what_is_no_mere_view_or_copy_is_read_and_written():
    x = torch.ones(2, 3)
    with counting(nn.Identity(), {}) as counter:
        (x * 2).t().neg().clone()
    assert counter.written_bytes == x.nbytes and counter.read == {x.untyped_storage().data_ptr()}


class Odd(nn.Module):
    """A channel mixer that does something of its own."""

    def __init__(self, does):
        super().__init__()
        self.does = does

    def forward(self, x):
        return self.does(x)


@njit
def doubled(x):
    return 2 * x


def with_mixer(does) -> nn.Module:
    model = fresh(ModelConfig("matmul_free", 5, 8, 1), "inference")
    model.blocks[0].channel_mixer = Odd(does)
    return model


@pytest.mark.parametrize("does", [
    torch.erf, lambda x: x.cumprod(-1), lambda x: x.pow(3),
    lambda x: torch.from_numpy(np.tanh(x.numpy())), lambda x: torch.from_numpy(x.numpy() + np.float32(1)),
    lambda x: torch.from_numpy(np.sort(x.numpy())), lambda x: torch.from_numpy(x.numpy() * x.numpy()),
    lambda x: torch.from_numpy(np.asarray(x.numpy()) + 1), lambda x: torch.from_numpy(np.array(x.numpy()) + 1),
    lambda x: torch.tensor(x.tolist()), lambda x: torch.tensor(x.numpy().tolist()),
    lambda x: torch.from_numpy(doubled(x.numpy())),
    lambda x: torch.from_numpy(doubled(np.ascontiguousarray(x.numpy()))),
], ids=["erf", "cumprod", "cube", "numpy-tanh", "numpy-add", "numpy-sort", "numpy-multiply", "numpy-asarray",
        "numpy-array", "list", "numpy-list", "compiled", "compiled-copy"])
def test_what_nobody_has_counted_is_an_error_and_not_free(does):
    with pytest.raises(TypeError, match="nobody has counted"):
        audit(with_mixer(does), 1)


EYE = np.eye(8, dtype=np.float32)
DOT = np.dot                                 # whoever kept it before anything was counted


@pytest.mark.parametrize("does", [
    lambda x: x @ torch.from_numpy(EYE),
    lambda x: nn.functional.linear(x, torch.from_numpy(EYE), torch.from_numpy(EYE[0])),
    lambda x: torch.from_numpy(x.numpy() @ EYE), lambda x: torch.from_numpy(EYE @ x.numpy().T).T.contiguous(),
    lambda x: torch.from_numpy(np.matmul(x.numpy(), EYE)), lambda x: torch.from_numpy(np.dot(x.numpy(), EYE)),
    lambda x: torch.from_numpy(np.einsum("bi,io->bo", x.numpy(), EYE)),
    lambda x: torch.from_numpy(np.tensordot(x.numpy(), EYE, 1)), lambda x: torch.from_numpy(np.inner(x.numpy(), EYE)),
    lambda x: torch.from_numpy(x.numpy().dot(EYE)), lambda x: torch.from_numpy(DOT(x.numpy(), EYE)),
], ids=["torch-at", "torch-linear", "numpy-at", "at-from-left", "matmul", "dot", "einsum", "tensordot", "inner",
        "dot-method", "dot-kept"])
def test_a_product_of_matrices_is_noticed_however_it_is_asked_for(does):
    assert audit(with_mixer(does), 2).matmul_calls == 2


def test_a_kernel_that_nobody_has_named_is_an_error_and_trits_that_are_no_kernel_s_are_a_product():
    """The textbook's audit knows no kernel of its own."""
    config = ModelConfig("matmul_free", 5, 8, 1)
    assert textbook.audit(fresh(config, "inference"), 1).matmuls == {"torch mm": 8}
    with pytest.raises(TypeError, match="nobody has counted what this compiled function does"):
        textbook.audit(pack(fresh(config, "inference")), 1)


@pytest.mark.parametrize("kind", sorted(MATMUL_FREE))
def test_a_model_that_was_accelerated_is_refused(kind):
    """Its compiled layers run where nothing is counted."""
    with pytest.raises(TypeError, match="nobody has counted"):
        audit(accelerate(fresh(ModelConfig(kind, 5, 16, 1), "training")), 2, "training")


def test_a_product_inside_a_kernel_is_noticed_too(monkeypatch):
    """The kernel is trusted with its count, not with its means."""
    from mmf_teach.engine.ternary_matmul import kernel

    def cheat(self, codes, matrix, threads=1):
        return np.matmul(codes.astype(np.int32), self.unpack(matrix).T.astype(np.int32))

    monkeypatch.setattr(kernel.Compiled, "product", cheat)
    found = audit(fresh(ModelConfig("matmul_free", 5, 8, 1), "inference"), 1)
    assert found.matmul_calls == 8 and set(found.matmuls) == {"numpy matmul"}


def test_inside_a_known_kernel_only_its_meaning_is_counted():
    """The naive scan is made of torch's own operations: they are not counted a second time."""
    def scan_counts(f, c, h):
        return Counter(multiply=2 * f.numel(), subtract=f.numel(), add=f.numel())

    name = "mmf_teach.layers.mlgru_scan.mlgru_scan"
    f, c, h = torch.rand(1, 3, 4), torch.rand(1, 3, 4), torch.rand(1, 4)
    with counting(nn.Identity(), {name: scan_counts}) as counter:
        textbook_scan.mlgru_scan(f, c, h)
    assert counter.by_layer[""] == Counter(multiply=24, subtract=12, add=12)


def test_nothing_is_counted_any_more_when_the_audit_is_over():
    model = fresh(ModelConfig("matmul_free", 5, 8, 1), "inference")
    before = (torch.Tensor.numpy, np.dot, np.matmul)
    audit(model, 1)
    with pytest.raises(TypeError):
        audit(with_mixer(torch.erf), 1)
    assert (torch.Tensor.numpy, np.dot, np.matmul) == before
    assert not any({"forward", "step", "shared"} & vars(module).keys() for module in model.modules())
    assert type(torch.ones(2).numpy()) is np.ndarray


def test_a_kernel_is_counted_by_what_its_sums_ask_for():
    trits = np.array([[1, -1, 0], [0, 0, 1]], np.int8)
    codes = np.array([[3, 5, 7], [1, 1, 1]], np.int8)
    layer = fresh(ModelConfig("matmul_free", 5, 8, 1), "inference")
    kernel = pack(layer).head.kernel
    cost = KERNELS["mmf_teach.engine.ternary_matmul.kernel.Compiled.product"]
    assert cost(kernel, codes, kernel.pack(trits)) == Counter(ternary_add=4, ternary_subtract=2, skipped_zero=6)
    assert naive.ternary_matmul(codes, trits).tolist() == [[-2, 7], [0, 1]]


BY_HAND = [                                  # for two rows of three
    ("add", lambda x: x + x, {"add": 6}), ("sub", lambda x: x - x, {"subtract": 6}),
    ("mul", lambda x: x * x, {"multiply": 6}), ("div", lambda x: x / 3, {"divide": 6}),
    ("sum", lambda x: x.sum(dim=1), {"add": 4}), ("exp", torch.exp, {"exponential": 6}),
    ("cos", torch.cos, {"sine": 6}), ("sin", torch.sin, {"sine": 6}), ("round", torch.round, {"round": 6}),
    ("ge", lambda x: x >= 1, {"comparison": 6}), ("lt", lambda x: x < 1, {"comparison": 6}),
    ("sigmoid", torch.sigmoid, {"exponential": 6, "add": 6, "divide": 6}),
    ("embedding", lambda x: nn.functional.embedding(torch.tensor([[1, 0, 1]]), x), {"table_look_up": 3}),
    ("mean", lambda x: x.mean(dim=1), {"add": 4, "divide": 2}), ("amax", lambda x: x.amax(dim=1), {"comparison": 4}),
    ("clamp", lambda x: x.clamp(min=0.0), {"comparison": 6}),
    ("clamp", lambda x: x.clamp(0.0, 1.0), {"comparison": 12}),
    ("silu", silu, {"exponential": 6, "add": 6, "divide": 6, "multiply": 6}), ("neg", lambda x: -x, {}),
    ("rsub", lambda x: 1 - x, {"subtract": 6}), ("mm", lambda x: x @ x.T, {"multiply": 12, "add": 12}),
    ("_softmax", lambda x: x.softmax(dim=1), {"comparison": 4, "subtract": 6, "exponential": 6, "add": 4, "divide": 6}),
    ("_softmax", lambda x: x.softmax(dim=0), {"comparison": 3, "subtract": 6, "exponential": 6, "add": 3, "divide": 6}),
    ("cumsum", lambda x: x.cumsum(dim=0), {"add": 3}), ("pow", lambda x: 2.0**x, {"exponential": 6}),
    ("pow", lambda x: x**2, {"multiply": 6}), ("rsqrt", torch.rsqrt, {"root": 6}),
    ("reciprocal", lambda x: 3 / x, {"divide": 6, "multiply": 6}),
    ("softplus", nn.functional.softplus, {"exponential": 6, "add": 6, "logarithm": 6}),
    ("addmm", lambda x: nn.functional.linear(x, x, torch.ones(2)), {"multiply": 12, "add": 16}),
]


def test_operations_of_torch_are_counted_by_hand_on_two_rows_of_three():
    """All that the table has but attention, which follows."""
    x = torch.tensor([[0.5, 1.0, 2.0], [3.0, 4.0, 5.0]])
    for name, run, counts in BY_HAND:
        with counting(nn.Identity(), {}) as counter:
            run(x)
        assert sum(counter.by_layer.values(), Counter()) == Counter(counts), name
    assert COUNTS.keys() - {name for name, *_ in BY_HAND} == {"_scaled_dot_product_flash_attention_for_cpu"}


def test_attention_is_counted_by_the_pairs_that_may_see_each_other():
    """Two heads of four features, three tokens: 3 · 4 / 2 pairs a head, each met by a key and by a value."""
    q = torch.randn(1, 2, 3, 4)
    with counting(nn.Identity(), {}) as counter:
        nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    pairs = 2 * 6
    assert counter.by_layer[".product"] == Counter(
        multiply=pairs * 9, add=pairs * 8 + pairs, comparison=pairs, subtract=pairs, exponential=pairs, divide=pairs)


def test_a_name_in_neither_list_is_refused():
    with pytest.raises(TypeError, match="nobody has counted what torch's bmm costs"):
        counted("bmm", (), {}, torch.ones(1))
    assert not FREE & COUNTS.keys()


@pytest.mark.parametrize("arguments", [("no form",), ("inference", 0), ("training", -1)])
def test_a_form_or_a_text_that_cannot_be_is_refused(arguments):
    model = fresh(ModelConfig("matmul_free", 5, 8, 1), "inference")
    with pytest.raises(ValueError, match=r"the form is|at least one token"):
        audit(model, *reversed(arguments)) if len(arguments) > 1 else audit(model, 1, *arguments)


def test_a_model_too_large_to_run_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match="ask for the formula"):
        fresh(ModelConfig("matmul_free", 32_000, 5120, 40), "inference")


# The command


def asked(capsys, *arguments: str) -> dict:
    assert main(["audit", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@every_kind
def test_the_command_counts_by_running_what_it_counts_by_formula(capsys, kind):
    size = ["--model", kind, "--width", "48", "--blocks", "2", "--tokens", "3"]
    run, formula = asked(capsys, *size), asked(capsys, *size, "--formula")
    assert together(Counter(run["operations"])) == pytest.approx(Counter(formula["operations"]))
    assert run["multiplications_percent"] == formula["multiplications_percent"]
    assert {"operations", "by_layer", "matmul_calls", "bytes"} <= run.keys() and run["kind"] == "counted"
    layers = sum((Counter(each) for each in run["by_layer"].values()), Counter())
    assert layers == pytest.approx(Counter(run["operations"]))


def test_the_command_is_about_inference_unless_told_otherwise(capsys):
    plain, training = asked(capsys), asked(capsys, "--form", "training", "--tokens", "4")
    assert (plain["form"], plain["matmul_calls"]) == ("inference", 0) and training["matmul_calls"] > 0
    assert plain["operations"]["multiply"] < 0.05 * plain["operations"]["ternary_add"] * 3


def test_the_command_says_plainly_what_the_training_form_is(capsys):
    assert main(["audit", "--width", "16", "--form", "training"]) == 0
    assert "MatMul-free in meaning, not in execution" in capsys.readouterr().out
    assert main(["audit", "--width", "16"]) == 0
    said = capsys.readouterr().out
    assert "products of matrices that were called: 0 (none)" in said and "norms" in said and "not in exec" not in said


def test_the_command_reads_a_trained_model_and_one_with_a_float_head(capsys):
    shipped = asked(capsys, "--checkpoint", str(SHIPPED_MODEL))
    floated = asked(capsys, "--checkpoint", str(SHIPPED_MODEL), "--float-head")
    assert shipped["matmul_calls"] == 0 and floated["matmul_calls"] == 1
    assert floated["multiplications_percent"] > shipped["multiplications_percent"]
    by_formula = asked(capsys, "--checkpoint", str(SHIPPED_MODEL), "--formula", "--float-head")
    assert by_formula["operations"]["multiply"] == floated["operations"]["multiply"]


def test_the_command_goes_up_to_13b_by_formula(capsys):
    large = asked(capsys, "--model", "matmul_free_released", "--size", "13B", "--formula")
    assert large["operations"]["ternary"] > 12e9 and large["multiplications_percent"] < 0.11


@pytest.mark.parametrize(("arguments", "said"), [
    (["--model", "perceptron"], "unknown model 'perceptron'"), (["--width", "7"], "must be a multiple"),
    (["--size", "13B"], "ask for the formula"), (["--tokens", "0"], "at least one token"),
    (["--tokens", "0", "--formula"], "at least one token"), (["--checkpoint", "nowhere"], "is no model"),
    (["--checkpoint", str(SHIPPED_MODEL), "--form", "training"], "no training form"),
    (["--formula", "--float-head", "--form", "training"], "leave one of the two out"),
    (["--model", "transformer", "--formula", "--float-head"], "dense as it is"),
])
def test_what_cannot_be_counted_is_told_in_one_line(capsys, arguments, said):
    assert main(["audit", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_models_with_trits_are_all_audited_on_them():
    for kind in RUNNING:
        found = audit(fresh(of_kind(kind, SIZES[0]), "inference"), 1)
        assert sum(found.operations[trit] for trit in TERNARY) > 0
