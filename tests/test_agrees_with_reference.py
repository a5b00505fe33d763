"""Every faster thing computes what the NumPy reference says, on awkward sizes and edge values.

Here: products, layers in torch, scans, whole models. Each with a test file of its own: compiled products
(test_ternary_matmul.py), the fused BitLinear (test_fused_bit_linear.py), both quantisers (test_quantise.py), the
integer runtime (test_engine.py), the machine (test_lowering.py, test_accelerator.py).
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from mmf_teach.engine.bit_linear import inference
from mmf_teach.engine.mlgru_scan import chunked, compiled, doubling
from mmf_teach.engine.stored_map import StoredMap
from mmf_teach.layers import mlgru_scan as loop, straight_through as layers
from mmf_teach.layers.attention import Attention
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, TernaryProduct
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.gru import GRU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.mlgru_released import ReleasedMLGRU
from mmf_teach.layers.rms_norm import EPSILON, RMSNorm
from mmf_teach.layers.sliding_attention import SlidingAttention
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.integer import integer_model
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.reference import (
    attention,
    bit_linear,
    block,
    glu,
    integer_model as integers,
    language_model,
    lookup_table_product,
    masked_product,
    mlgru,
    mlgru_released,
    mlgru_scan,
    popcount_product,
    rms_norm,
    sliding_attention,
    straight_through,
    ternary_matmul,
)
from mmf_teach.reference.activation_functions import sigmoid, silu
from mmf_teach.ternary import fixed_point as fp
from mmf_teach.ternary.packing import pack_base3
from mmf_teach.ternary.quantise import absmax, absmean

SHAPES = [(1, 1, 1), (1, 5, 3), (4, 3, 7), (2, 9, 33), (3, 2, 130)]      # tokens, out, in
LENGTHS = [(1, 1, 1), (2, 3, 5), (3, 17, 1), (1, 64, 2), (2, 101, 3)]    # b, t, d
DOUBLE = dict(rtol=1e-12, atol=1e-12)        # the same in float64, sums in another order
SINGLE = dict(rtol=1e-6, atol=1e-30)         # some roundings of float32, each 6e-8
SIZES = [2.0**-40, 2.0**-10, 1.0, 2.0**40]   # of a token: below ε, near it, far above
A_CODE = dict(rtol=0, atol=2e-2)             # where norms differ by a rounding, a code is now and then the next one


def dice_of(*seed: int) -> np.random.Generator:
    return np.random.default_rng([int(n) for n in seed])


def some_trits(out: int, width: int) -> np.ndarray:
    """With rows of zeros, of 1 and of -1, where there are so many."""
    trits = dice_of(out, width).integers(-1, 2, (out, width)).astype(np.int8)
    trits[:3] = np.array([[0], [1], [-1]])[:out]
    return trits


def whole_tokens(tokens: int, width: int, size: float) -> np.ndarray:
    """Features that are whole multiples of the token's largest / 127: no rounding makes another code of them."""
    x = dice_of(tokens, width).integers(-127, 128, (tokens, width))
    x[:, 0] = 127
    x[1:2] = 0                               # and a token of zeros
    return (x * size).astype(np.float32)


def as_numpy(module):
    """A layer or function of torch as a map of the reference."""
    return lambda x: module(torch.from_numpy(np.asarray(x))).detach().numpy()


def maps_of(layer, names: str) -> list:
    return [as_numpy(getattr(layer, f"to_{name}")) for name in names.split()]


def ternary(layer: TernaryLinear) -> bit_linear.TernaryLinear:
    """The reference's layer of the same numbers."""
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
    return bit_linear.TernaryLinear(layer.trits.numpy(), np.float32(layer.scale), bias)


def reference_of(model: LanguageModel) -> language_model.LanguageModel:
    """The reference's model of the same numbers."""
    blocks = []
    for each in model.blocks:
        m, c = each.token_mixer, each.channel_mixer
        maps = (m.to_f, m.to_c, m.to_g, m.to_o, c.to_gate, c.to_up, c.to_down)
        blocks.append(block.Block(*map(ternary, maps)))
    return language_model.LanguageModel(model.embedding.weight.detach().numpy(), blocks, ternary(model.head))


@pytest.fixture(scope="module")
def shipped():
    return load_model(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def text(shipped):
    return shipped[1].encode((DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8"))


def test_the_reference_needs_neither_torch_nor_a_compiler():
    every = ", ".join(f"mmf_teach.reference.{each.__name__.rpartition('.')[2]}" for each in (
        attention, language_model, integers, lookup_table_product, masked_product, mlgru_released, mlgru_scan,
        popcount_product, sliding_attention, straight_through))
    code = f"import sys, {every}; print(sorted({{'torch', 'numba'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=DATA.parent, check=True)
    assert done.stdout.split() == ["[]"]


# Products


@pytest.mark.parametrize(("tokens", "out", "width"), [*SHAPES, (2, 3, 300), (0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_every_product_is_adding_subtracting_and_skipping(tokens, out, width):
    codes, trits = dice_of(tokens, width).integers(-128, 128, (tokens, width)).astype(np.int8), some_trits(out, width)
    codes[:1], codes[1:2] = -128, 127        # the ends of the codes: 300 of them do not fit 16 bits
    wanted = ternary_matmul.ternary_matmul(codes, trits)
    np.testing.assert_array_equal(masked_product.ternary_matmul(codes, trits), wanted)
    planes = [popcount_product.trit_planes(row.tolist()) for row in trits]
    for token, sums in zip(codes.tolist(), wanted.tolist(), strict=True):
        of_codes = popcount_product.code_planes(token)
        assert [popcount_product.dot_by_counting(of_codes, *row) for row in planes] == sums
    filled = np.pad(trits, ((0, 0), (0, -width % 3))) + 1
    rows = [[a + 3 * b + 9 * c for a, b, c in row.reshape(-1, 3).tolist()] for row in filled]
    for token, sums in zip(np.pad(codes, ((0, 0), (0, -width % 3))).tolist(), wanted.tolist(), strict=True):
        assert lookup_table_product.dot_by_tables(rows, token) == sums


# Layers


def test_silu_and_sigmoid_are_torchs_and_stay_finite_far_out():
    z = np.array([-1000.0, -3.0, -0.5, 0.0, 0.5, 3.0, 1000.0])
    np.testing.assert_allclose(silu(z), as_numpy(torch.nn.functional.silu)(z), **DOUBLE)
    np.testing.assert_allclose(sigmoid(z), as_numpy(torch.sigmoid)(z), **DOUBLE)
    assert silu(z)[[0, -1]].tolist() == [0, 1000] and sigmoid(z)[[0, 3, -1]].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("tokens", "out", "width"), SHAPES)
def test_the_norm_is_the_references(tokens, out, width, size):
    x = whole_tokens(tokens, width, size)
    np.testing.assert_allclose(as_numpy(RMSNorm(width, gain=False))(x), rms_norm.rms_norm(x), **SINGLE)
    assert np.float32(EPSILON) == rms_norm.EPSILON == inference.EPSILON == np.float32(fp.SMALLEST_SQUARE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("tokens", "out", "width"), SHAPES)
def test_a_ternary_layer_that_learns_one_that_does_not_and_one_from_a_file_are_the_references(
        tokens, out, width, bias, size):
    x, learner = whole_tokens(tokens, width, size), BitLinear(width, out, bias=bias)
    with torch.no_grad():
        learner.weight.copy_(torch.from_numpy(dice_of(out, width).normal(size=(out, width))))
        if bias:
            learner.bias.copy_(torch.linspace(-3, 5, out))
    trits, scale = absmean(learner.weight.detach().numpy())
    offset = learner.bias.detach().numpy() if bias else 0.0
    wanted = bit_linear.TernaryLinear(trits, scale, offset)(x)
    packed = TernaryLinear(width, out, bias=bias)
    packed.trits.copy_(torch.from_numpy(trits)), packed.scale.fill_(float(scale))
    packed.bias = learner.bias
    stored = {"map.packed": pack_base3(trits), "map.scale": scale} | ({"map.bias": offset} if bias else {})
    for fast in (as_numpy(learner), as_numpy(packed), StoredMap.of(stored, "map", width, out)):
        np.testing.assert_allclose(fast(x), wanted, rtol=1e-6, atol=1e-6 if bias else 1e-30)
        np.testing.assert_allclose(fast(x[0]), wanted[0], rtol=1e-6, atol=1e-6 if bias else 1e-30)


@pytest.mark.parametrize(("tokens", "out", "width"), SHAPES)
def test_the_gradient_of_a_ternary_product_is_autograds_straight_through(tokens, out, width):
    dice = dice_of(tokens, out, width)
    x, w, dy = dice.normal(size=(tokens, width)), dice.normal(size=(out, width)), dice.normal(size=(tokens, out))
    (codes, x_scale), (trits, w_scale) = absmax(x), absmean(w)
    rounded = [torch.from_numpy(each.astype(np.float64)) for each in (x_scale * codes, w_scale * trits)]

    def one_by_one(x, w):
        return layers.straight_through(x, rounded[0]) @ layers.straight_through(w, rounded[1]).T

    for product in (TernaryProduct.apply, one_by_one):
        tensors = [torch.tensor(array, requires_grad=True) for array in (x, w)]
        product(*tensors).backward(torch.from_numpy(dy))
        wanted = straight_through.gradients(dy, codes, x_scale, trits, w_scale)
        for tensor, gradient in zip(tensors, wanted, strict=True):
            np.testing.assert_allclose(tensor.grad, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "time", "width"), LENGTHS)
def test_an_mlgru_step_by_step_and_all_at_once_is_the_references(batch, time, width):
    torch.manual_seed(width)
    layer = MLGRU(width, torch.nn.Linear).double()
    x, h = dice_of(time).normal(size=(batch, time, width)), dice_of(width).normal(size=(batch, width))
    outputs, last = layer(torch.from_numpy(x), torch.from_numpy(h))
    state = torch.from_numpy(h)
    for t in range(time):
        wanted, h = mlgru.mlgru_step(x[:, t], h, *maps_of(layer, "f c g o"))
        stepped, state = layer.step(torch.from_numpy(x[:, t]), state)
        np.testing.assert_allclose(stepped.detach(), wanted, **DOUBLE)
        np.testing.assert_allclose(outputs[:, t].detach(), wanted, **DOUBLE)
    for memory in (state, last):
        np.testing.assert_allclose(memory.detach(), h, **DOUBLE)


@pytest.mark.parametrize(("batch", "time", "width"), LENGTHS)
def test_the_released_mlgru_step_by_step_and_all_at_once_is_the_references(batch, time, width):
    torch.manual_seed(width)
    layer = ReleasedMLGRU(width, lambda i, o, gain: torch.nn.Linear(i, o, bias=False))
    bound = torch.linspace(0, 1, width)      # no bound, and nothing ever forgotten
    with torch.no_grad():
        layer.gate_norm.gain.copy_(torch.linspace(-2, 2, width))
    x = dice_of(time).normal(size=(batch, time, width)).astype(np.float32)
    h = dice_of(width).normal(size=(batch, width)).astype(np.float32)
    outputs, last = layer(torch.from_numpy(x), torch.from_numpy(h), bound)
    state = torch.from_numpy(h)
    for t in range(time):
        wanted, h = mlgru_released.mlgru_released_step(
            x[:, t], h, maps_of(layer, "f i g o"), bound.numpy(), layer.gate_norm.gain.detach().numpy())
        stepped, state = layer.step(torch.from_numpy(x[:, t]), state, bound)
        for got in (stepped, outputs[:, t]):
            np.testing.assert_allclose(got.detach(), wanted, rtol=1e-4, atol=1e-5)
    for memory in (state, last):
        np.testing.assert_allclose(memory.detach(), h, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "time", "width"), LENGTHS)
def test_a_gru_without_matrices_in_its_loop_is_the_references_recurrence(batch, time, width):
    torch.manual_seed(width)
    layer = GRU(width, gates_look_back=False, candidate_looks_back=False).double()
    x, h = dice_of(time).normal(size=(batch, time, width)), dice_of(width).normal(size=(batch, width))
    outputs, _ = layer(torch.from_numpy(x), torch.from_numpy(h))
    to_f, to_c = maps_of(layer, "f c")
    for b in range(batch):
        wanted = mlgru_scan.memories(sigmoid(to_f(x[b])), np.tanh(to_c(x[b])), h[b])
        np.testing.assert_allclose(outputs[b].detach(), wanted, **DOUBLE)
        first, _ = layer.step(torch.from_numpy(x[b:b + 1, 0]), torch.from_numpy(h[b:b + 1]))
        np.testing.assert_allclose(first[0].detach(), wanted[0], **DOUBLE)


@pytest.mark.parametrize(("width", "inner"), [(1, 1), (6, 8), (7, 3)])
def test_the_gated_unit_is_the_references(width, inner):
    torch.manual_seed(0)
    layer = GLU(width, inner, torch.nn.Linear).double()
    x = dice_of(width).normal(size=(5, width))
    np.testing.assert_allclose(as_numpy(layer)(x), glu.glu(x, *maps_of(layer, "gate up down")), **DOUBLE)


@pytest.mark.parametrize("normed", [False, True])
def test_a_block_is_the_references(normed):
    torch.manual_seed(0)
    mixers = MLGRU(6, torch.nn.Linear), GLU(6, 8, torch.nn.Linear)
    layer = Block(6, *mixers, *[lambda: torch.nn.LayerNorm(6)] * normed).double()
    x, h = dice_of(0).normal(size=(2, 3, 6))
    maps, norm = maps_of(layer.token_mixer, "f c g o"), as_numpy(layer.token_norm)
    after, memory = block.block_step(
        x, h, lambda x, h: mlgru.mlgru_step(norm(x), h, *maps), lambda x: as_numpy(layer.channel_mixer)(norm(x)))
    got, state = layer.step(torch.from_numpy(x), torch.from_numpy(h))
    np.testing.assert_allclose(got.detach(), after, **DOUBLE)
    np.testing.assert_allclose(state.detach(), memory, **DOUBLE)
    middle = x + mlgru.mlgru_step(norm(x), h, *maps)[0]
    half = block.half_block(middle, as_numpy(layer.channel_norm), as_numpy(layer.channel_mixer))
    np.testing.assert_allclose(got.detach(), half, **DOUBLE)


@pytest.mark.parametrize("time", [1, 2, 9])
@pytest.mark.parametrize("window", [1, 3, 20])
def test_attention_to_all_tokens_and_to_a_window_is_the_references(time, window):
    """One head; queries, keys and values as the layer turns them by their positions."""
    torch.manual_seed(0)
    everything, local = Attention(4, 1).double(), SlidingAttention(4, 1, window).double()
    x = torch.from_numpy(dice_of(time, window).normal(size=(1, time, 4)))
    for layer, reach in ((everything, time), (local, window)):
        cache = tuple(each.double() for each in Attention.initial_state(layer, 1))
        q, k, v = (each[0, 0].detach().numpy() for each in layer.look_up(x, cache, 0))
        wanted = as_numpy(layer.to_o)(sliding_attention.read_with_cache(q, k, v, reach))
        np.testing.assert_allclose(layer(x, layer.initial_state(1))[0][0].detach(), wanted, **DOUBLE)
        at_once = as_numpy(layer.to_o)(sliding_attention.read_at_once(q, k, v, reach))
        np.testing.assert_allclose(at_once, wanted, **DOUBLE)
        last = as_numpy(layer.to_o)(attention.attend(q[-1], k[-reach:], v[-reach:]))
        np.testing.assert_allclose(last, wanted[-1], **DOUBLE)


# The recurrence: one loop defines it


def gates(batch: int, time: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forget gates with exact 0 and 1 among them, candidates, and a memory before the first token."""
    dice = dice_of(batch, time, width)
    f, c = dice.uniform(size=(batch, time, width)), dice.normal(size=(batch, time, width))
    f[:, ::5], f[:, 1::5] = 0.0, 1.0
    return f, c, dice.normal(size=(batch, width))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", LENGTHS)
@pytest.mark.parametrize("scan", [loop, compiled, doubling, chunked], ids=lambda scan: scan.__name__)
def test_every_scan_makes_the_memories_of_the_loop(scan, size, dtype):
    f, c, h = (array.astype(dtype) for array in gates(*size))
    got = scan.mlgru_scan(*map(torch.from_numpy, (f, c, h))).numpy()
    wanted = np.stack([mlgru_scan.memories(*one) for one in zip(f, c, h, strict=True)])
    if scan in (loop, compiled):             # the same operations in the same order
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6 if dtype == np.float32 else 1e-14)


@given(st.integers(1, 20), st.integers(1, 3), st.integers(1, 7), st.integers(0, 999))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_scans_agree_exactly_where_nothing_is_rounded(time, width, size, seed):
    """Gates of 0, 1/2 and 1, candidates in halves: some dozen steps of halving leave them exact in float64."""
    dice = dice_of(seed)
    f, c = dice.integers(0, 3, (time, width)) / 2, dice.integers(-8, 9, (time, width)) / 2
    wanted, written = mlgru_scan.memories(f, c, np.zeros(width)), (1 - f) * c
    np.testing.assert_array_equal(mlgru_scan.by_doubling(f, written), wanted)
    np.testing.assert_array_equal(mlgru_scan.by_chunks(f, written, size), wanted)
    start = np.ones(width)
    for scan in (loop, compiled, doubling, chunked):
        got = scan.mlgru_scan(*(torch.from_numpy(array)[None] for array in (f, c, start)))[0]
        np.testing.assert_array_equal(got, mlgru_scan.memories(f, c, start))


@pytest.mark.parametrize(("batch", "time", "width"), LENGTHS)
def test_the_recurrence_in_whole_numbers_stays_within_a_rounding_a_step(batch, time, width):
    f, c, h = gates(batch, time, width)
    whole = fp.to_fixed(h, fp.MEMORY)
    f_whole, c_whole = fp.to_fixed(f, fp.GATE), fp.to_fixed(c, fp.ACTIVATION)
    f, c, start = f_whole / 2.0**fp.GATE, c_whole / 2.0**fp.ACTIVATION, whole / 2.0**fp.MEMORY
    wanted = np.stack([mlgru_scan.memories(*one) for one in zip(f, c, start, strict=True)])
    for t in range(time):
        whole = fp.remember(f_whole[:, t], c_whole[:, t], whole)
        np.testing.assert_allclose(whole / 2.0**fp.MEMORY, wanted[:, t], rtol=0, atol=(t + 1) * 2.0**-(fp.MEMORY + 1))


# Whole models


def test_the_shipped_model_in_torch_is_the_reference_on_real_text(shipped, text):
    model, _ = shipped
    plain = reference_of(model)
    tokens = text[:8].reshape(2, 4)
    state, theirs = plain.initial_state(2), model.initial_state(2)
    with torch.no_grad():
        at_once, _ = model(torch.from_numpy(tokens))
        for t in range(tokens.shape[1]):
            wanted, state = plain.step(tokens[:, t], state)
            stepped, theirs = model.step(torch.from_numpy(tokens[:, t]), theirs)
            np.testing.assert_allclose(stepped, wanted, **A_CODE)
            np.testing.assert_allclose(at_once[:, t], wanted, **A_CODE)
    for memory, own in zip(theirs, state, strict=True):
        np.testing.assert_allclose(memory, own, **A_CODE)


def test_whole_numbers_are_the_trained_ones_and_their_scores_near_the_references(shipped, text):
    model, _ = shipped
    plain, whole = reference_of(model), integer_model(model)
    one = 2.0**fp.ACTIVATION
    np.testing.assert_allclose(whole.embedding / one, plain.embedding, atol=0.5 / one)
    pairs = [(a, b) for x, y in zip(whole.blocks, plain.blocks, strict=True)
             for a, b in zip(vars(x).values(), vars(y).values(), strict=True)]
    assert [*vars(whole.blocks[0])] == [*vars(plain.blocks[0])] and len(pairs) == 7 * len(model.blocks)
    for integer, floats in [*pairs, (whole.head, plain.head)]:
        np.testing.assert_array_equal(integer.trits, floats.trits)
        assert abs(integer.scale / 2.0**fp.SCALE - floats.scale) <= 0.5 / 2.0**fp.SCALE
        np.testing.assert_allclose(integer.bias / one, np.broadcast_to(floats.bias, len(floats.trits)), atol=0.5 / one)
    state, own = whole.initial_state(1), plain.initial_state(1)
    for letter in text[:5]:
        scores, state = whole.step(np.array([letter]), state)
        wanted, own = plain.step(np.array([letter]), own)
        np.testing.assert_allclose(scores / one, wanted, atol=0.2)
        np.testing.assert_allclose(state / 2.0**fp.MEMORY, np.stack(own), atol=0.05)
