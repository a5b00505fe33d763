"""An accelerated model is the textbook's: the same numbers forwards, the same way to learn, and really other code."""

import copy
from collections import Counter

import pytest
import torch
from fixtures.tiny import CORPUS, RECIPE
from torch import nn

from mmf_teach.engine import accelerate as engine
from mmf_teach.engine.accelerate import FastBitLinear, FastGLU, FastMLGRU, accelerate, exchange, side_by_side
from mmf_teach.engine.bench.train import TextbookBitLinear
from mmf_teach.engine.mlgru_scan import fastest as fast_mlgru_scan
from mmf_teach.engine.selective_scan import fastest as fast_selective_scan
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.gru import GRU
from mmf_teach.layers.mamba import Mamba
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.mlgru_released import ReleasedMLGRU
from mmf_teach.model.ablation import PARTS, with_held_gates, without
from mmf_teach.model.build import MODELS, build
from mmf_teach.model.checkpoint import load_model, save_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.paper_to_released import DIFFERENCES, Between
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.training.flips import trits_of
from mmf_teach.training.loop import batch
from mmf_teach.training.step import loss_of, make_optimiser

WIDTH, BLOCKS = 32, 2
GRADIENTS = {torch.float32: 1e-4, torch.bfloat16: 2e-2}     # of their length, through every layer of two blocks
every_kind = pytest.mark.parametrize("kind", MODELS)
EXCHANGED = {                                # in a model of two blocks
    "matmul_free": {FastMLGRU: 2, FastGLU: 2, FastBitLinear: 2 * 7 + 1},
    "matmul_free_released": {ReleasedMLGRU: 2},              # the scan; its maps have gains
    "transformer": {},
    "bitnet": {FastGLU: 2, FastBitLinear: 2 * 7},
    "binary_bitnet": {},
    "mamba": {Mamba: 4},
    "hybrid": {FastMLGRU: 1, FastGLU: 2, FastBitLinear: 2 * 7 + 1},
}


def pair(kind: str):
    """A model and the same one accelerated as far as it can be, with parameters away from where they began."""
    torch.manual_seed(1)
    textbook = build(ModelConfig(kind, len(CORPUS.vocabulary), WIDTH, BLOCKS, heads=2))
    with torch.no_grad():
        for p in textbook.parameters():
            p.add_(0.2 * torch.randn_like(p))
    fast = copy.deepcopy(textbook)
    exchange(fast)
    return textbook, fast


def texts(rows: int = 4):
    return torch.randint(len(CORPUS.vocabulary), (rows, 21), generator=torch.Generator().manual_seed(2))


def same_scores(a: nn.Module, b: nn.Module, x=None) -> bool:
    x = texts() if x is None else x
    return torch.equal(a(x)[0], b(x)[0])


def gradients(model):
    x = texts()
    model.zero_grad()
    loss_of(model, x[:, :-1], x[:, 1:]).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@every_kind
def test_these_layers_are_exchanged_and_each_is_still_what_it_was(kind):
    textbook, fast = pair(kind)
    names = exchange(fast)
    layers = dict(fast.named_modules())
    assert Counter(type(layers[name]) for name in names) == EXCHANGED[kind]
    for name, layer in textbook.named_modules():
        assert isinstance(layers[name], type(layer)), name


@every_kind
def test_the_exchange_leaves_every_parameter_where_it_was(kind):
    model, _ = pair(kind)
    before, names = [*model.parameters()], [*model.state_dict()]
    exchange(model)
    assert all(p is old for p, old in zip(model.parameters(), before, strict=True))
    assert [*model.state_dict()] == names


@every_kind
def test_forwards_every_score_and_state_is_the_textbook_s_to_the_last_bit(kind):
    textbook, fast = pair(kind)
    (scores, state), (fast_scores, fast_state) = textbook(texts()), fast(texts())
    assert torch.equal(scores, fast_scores)
    for one, other in zip(state, fast_state, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(textbook(texts(), state)[0], fast(texts(), state)[0])
    assert torch.equal(textbook.step(texts()[:, 0], state)[0], fast.step(texts()[:, 0], state)[0])


@pytest.mark.parametrize("narrow", GRADIENTS)
@every_kind
def test_backwards_gradients_are_the_textbook_s_but_for_rounding(kind, narrow, monkeypatch):
    plain, (textbook, fast) = engine.trained_bit_linears, pair(kind)
    monkeypatch.setattr(engine, "trained_bit_linears", lambda *given: plain(*given, narrow=narrow))
    wanted = gradients(textbook)
    for name, g in gradients(fast).items():
        assert (g - wanted[name]).norm() < GRADIENTS[narrow] * wanted[name].norm(), name


def test_one_product_serves_the_maps_that_read_the_same_x(monkeypatch):
    called, plain = [], engine.trained_bit_linears
    monkeypatch.setattr(engine, "trained_bit_linears", lambda x, ws, bs: called.append(len(ws)) or plain(x, ws, bs))
    _, fast = pair("matmul_free")
    fast(texts())
    assert called == [3, 1, 2, 1] * BLOCKS + [1]


@pytest.mark.parametrize("kind", ["matmul_free", "matmul_free_released", "hybrid", "mamba"])
def test_every_scan_is_the_compiled_one(kind, monkeypatch):
    called = []
    for module in (fast_mlgru_scan.compiled, fast_selective_scan.compiled):
        scan = module._Scan.apply
        monkeypatch.setattr(module._Scan, "apply", lambda *given, scan=scan: called.append(1) or scan(*given))
    _, fast = pair(kind)
    fast(texts())
    assert len(called) == {"mamba": 4, "hybrid": 1}.get(kind, 2)


def test_a_gru_without_a_loop_and_every_model_between_paper_and_released_code_get_the_fast_scan():
    torch.manual_seed(0)
    layer, x, h = GRU(8, gates_look_back=False, candidate_looks_back=False), torch.randn(2, 9, 8), torch.randn(2, 8)
    wanted = layer(x, h)
    got = accelerate(layer)(x, h)
    assert layer.scan is fast_mlgru_scan.mlgru_scan and all(map(torch.equal, wanted, got))
    for differences in [(), *((name,) for name in DIFFERENCES), DIFFERENCES]:
        between = Between(ModelConfig("matmul_free", len(CORPUS.vocabulary), 16, 2), differences)
        fast = accelerate(copy.deepcopy(between))
        assert same_scores(between, fast)
        assert {block.token_mixer.scan for block in fast.blocks} == {fast_mlgru_scan.mlgru_scan}


def test_maps_that_are_not_for_the_compiled_code_stay_and_with_them_the_layers_made_of_them():
    for linear in (TernaryLinear, nn.Linear, TextbookBitLinear):
        mixers = nn.ModuleList([MLGRU(8, linear), GLU(8, 16, linear)])
        assert exchange(mixers) == ["0"]     # its scan
        assert {type(layer) for layer in mixers} == {MLGRU, GLU}
        assert not any(isinstance(layer, FastBitLinear) for layer in mixers.modules())


@pytest.mark.parametrize("bias", [False, True])
def test_layers_side_by_side_give_what_each_gives_alone_each_with_its_own_scale(bias):
    torch.manual_seed(0)
    layers, x = [BitLinear(33, n, bias=bias) for n in (4, 9, 1)], torch.randn(2, 5, 33)
    with torch.no_grad():
        layers[1].weight *= 100
    for layer, own in zip(layers, side_by_side(x, *layers), strict=True):
        assert torch.equal(layer(x), own)


# What comes after.

def test_to_accelerate_twice_is_to_accelerate_once():
    _, fast = pair("matmul_free")
    before = [type(layer) for layer in fast.modules()]
    assert accelerate(fast) is fast and [type(layer) for layer in fast.modules()] == before


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_taken_out_of_an_accelerated_model_as_of_the_textbook_s(part):
    textbook, fast = pair("matmul_free")
    less = without(fast, part)
    assert same_scores(without(textbook, part), less) and not same_scores(fast, less)


def test_gates_are_held_still_in_an_accelerated_model_as_in_the_textbook_s():
    textbook, fast = pair("matmul_free")
    kept = [torch.rand(WIDTH) for _ in range(BLOCKS)]
    assert same_scores(with_held_gates(textbook, kept), with_held_gates(fast, kept))


@pytest.mark.parametrize("kind", ["matmul_free", "mamba"])
def test_an_accelerated_model_in_float64_is_the_textbook_s_in_float64(kind):
    textbook, fast = pair(kind)
    assert same_scores(textbook.double(), fast.double())


def test_its_trits_and_its_checkpoint_are_the_textbook_s(tmp_path):
    textbook, fast = pair("matmul_free")
    assert all((trits_of(fast)[name] == trits).all() for name, trits in trits_of(textbook).items())
    for name, model in (("textbook", textbook), ("fast", fast)):
        save_model(tmp_path / name, model, CORPUS.vocabulary)
    for path in (tmp_path / "textbook").iterdir():
        assert path.read_bytes() == (tmp_path / "fast" / path.name).read_bytes()


def test_a_stored_model_reads_a_text_with_the_same_scores():
    textbook, fast = load_model(SHIPPED_MODEL)[0], accelerate(load_model(SHIPPED_MODEL)[0])
    with torch.no_grad():
        assert same_scores(textbook, fast, torch.randint(65, (2, 300)))


@pytest.mark.parametrize(("model", "name"), [(build(ModelConfig("transformer", 5, 8, 1)), "Transformer"),
                                             (nn.Linear(3, 2), "Linear")])
def test_where_there_is_nothing_to_accelerate_it_says_so_in_one_sentence(model, name):
    with pytest.raises(ValueError, match=f"^there is nothing to accelerate in this {name}: it has neither a scan"):
        accelerate(model)
    assert exchange(model) == []


def test_numbers_that_the_compiled_code_does_not_know_are_refused_and_nothing_is_exchanged():
    model = build(ModelConfig("matmul_free", 5, 8, 1)).bfloat16()
    with pytest.raises(ValueError, match=r"only float32 and float64 are accelerated, but embedding.weight is torch.bf"):
        accelerate(model)
    assert type(model.blocks[0].token_mixer) is MLGRU


# What an optimiser makes of it.

def test_the_optimiser_s_memory_stays_that_of_the_same_parameters():
    model, _ = pair("matmul_free")
    optimiser = make_optimiser(model, RECIPE)
    exchange(model)
    x, y = batch(torch.from_numpy(CORPUS.train), RECIPE, 0)
    loss_of(model, x, y).backward()
    optimiser.step()
    assert all(optimiser.state[p]["exp_avg"].any() for p in model.parameters())
