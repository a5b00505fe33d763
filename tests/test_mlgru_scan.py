"""The fast scans give the same memories and the same gradients as the naive one."""

import subprocess
import sys
from functools import partial

import pytest
import torch

from mmf_teach.engine.mlgru_scan import chunked, compiled, doubling, fastest
from mmf_teach.layers import mlgru_scan as naive

SIZES = [(1, 1, 1), (3, 17, 5), (2, 63, 64), (1, 130, 33)]
AT_ONCE_TOLERANCE = 1e-6                     # doubling and chunks add in another order: some roundings of float32
GRADIENT_TOLERANCE = 2e-5                    # sums of up to 130 gradients of order 1 in float32, added in another order
DOUBLE_TOLERANCE = 1e-12                     # the same in float64, where a rounding is 1e-16
REORDERED = [doubling, chunked]
each = partial(pytest.mark.parametrize, "scan", ids=lambda scan: scan.__name__.split(".")[-1])
every_scan, fast_scan, reordered = each([naive, compiled, *REORDERED]), each([compiled, *REORDERED]), each(REORDERED)


def gates(b: int, t: int, d: int, dtype=torch.float32):
    """Forget gates, candidates and a first memory, with gates of exactly 0 and 1 among them."""
    torch.manual_seed(b * t * d)
    f, c, h = torch.rand(b, t, d, dtype=dtype), torch.randn(b, t, d, dtype=dtype), torch.randn(b, d, dtype=dtype)
    f[:, ::5], f[:, 1::5] = 0.0, 1.0
    return [x.requires_grad_() for x in (f, c, h)]


def gradients(scan, f, c, h):
    """Of a weighted sum of all memories: for the gates, the candidates and the first memory."""
    weights = torch.randn(c.shape, dtype=c.dtype, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((scan.mlgru_scan(f, c, h) * weights).sum(), (f, c, h))


def test_the_naive_scan_computes_the_equation_feature_by_feature():
    f, c, h = gates(2, 7, 3, torch.float64)
    memories = naive.mlgru_scan(f, c, h)
    for b in range(2):
        for d in range(3):
            memory = h[b, d].item()
            for t in range(7):
                keep = f[b, t, d].item()
                memory = keep * memory + (1 - keep) * c[b, t, d].item()
                assert memories[b, t, d].item() == memory


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_the_compiled_scan_equals_the_naive_one_to_the_last_bit(size, dtype):
    f, c, h = gates(*size, dtype)
    assert torch.equal(compiled.mlgru_scan(f, c, h), naive.mlgru_scan(f, c, h))


@reordered
@pytest.mark.parametrize("size", [*SIZES, (2, 16, 3), (2, 15, 3), (1, 101, 2)])
def test_a_scan_that_adds_in_another_order_agrees_with_the_naive_one(scan, size):
    f, c, h = gates(*size)
    torch.testing.assert_close(
        scan.mlgru_scan(f, c, h), naive.mlgru_scan(f, c, h), rtol=AT_ONCE_TOLERANCE, atol=AT_ONCE_TOLERANCE)


@pytest.mark.parametrize(("time", "steps"), [(1, 0), (4, 2), (100, 18), (101, 19)])
def test_the_chunked_scan_takes_about_two_square_roots_of_steps_in_a_row(time, steps, monkeypatch):
    """Not a step a token: √t inside the chunks, which are worked on together, and √t from chunk to chunk."""
    counted = []
    inside = chunked._inside
    monkeypatch.setattr(chunked, "_inside", lambda f, written: counted.append(f.shape[1:3]) or inside(f, written))
    chunked.mlgru_scan(*gates(1, time, 2))
    [(chunks, size)] = counted
    assert (chunks - 1) + (size - 1) == steps


@fast_scan
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradients_of_the_fast_scans_are_those_of_the_naive_one(scan, size, dtype):
    tolerance = GRADIENT_TOLERANCE if dtype == torch.float32 else DOUBLE_TOLERANCE
    f, c, h = gates(*size, dtype)
    for fast, slow in zip(gradients(scan, f, c, h), gradients(naive, f, c, h), strict=True):
        torch.testing.assert_close(fast, slow, rtol=tolerance, atol=tolerance)


@every_scan
def test_gradients_agree_with_finite_differences(scan):
    f, c, h = (x.detach().requires_grad_() for x in gates(2, 6, 3, torch.float64))
    assert torch.autograd.gradcheck(scan.mlgru_scan, (f, c, h))


@every_scan
def test_a_gate_of_0_writes_the_candidate_and_a_gate_of_1_keeps_the_memory(scan):
    _, c, h = gates(2, 9, 4)
    assert torch.equal(scan.mlgru_scan(torch.zeros_like(c), c, h), c)
    assert torch.equal(scan.mlgru_scan(torch.ones_like(c), c, h), h[:, None].expand_as(c))


@every_scan
def test_a_single_token_is_one_step_of_the_recurrence(scan):
    f, c, h = gates(3, 1, 5)
    f = torch.full_like(f, 0.25)
    assert torch.equal(scan.mlgru_scan(f, c, h)[:, 0], 0.25 * h + 0.75 * c[:, 0])


@every_scan
@pytest.mark.parametrize("cut", [1, 8, 16])
def test_two_halves_with_the_memory_carried_over_equal_the_whole(scan, cut):
    f, c, h = gates(3, 17, 5)
    whole = scan.mlgru_scan(f, c, h)
    first = scan.mlgru_scan(f[:, :cut], c[:, :cut], h)
    second = scan.mlgru_scan(f[:, cut:], c[:, cut:], first[:, -1])
    halves = torch.cat([first, second], dim=1)
    if scan in REORDERED:
        torch.testing.assert_close(halves, whole, rtol=AT_ONCE_TOLERANCE, atol=AT_ONCE_TOLERANCE)
    else:
        assert torch.equal(halves, whole)


@every_scan
def test_no_sequence_sees_another(scan):
    f, c, h = gates(3, 17, 5)
    alone = torch.cat([scan.mlgru_scan(f[b : b + 1], c[b : b + 1], h[b : b + 1]) for b in range(3)])
    assert torch.equal(alone, scan.mlgru_scan(f, c, h))


@every_scan
def test_tensors_that_do_not_lie_in_one_piece_give_the_same_memories_and_gradients(scan):
    tidy = gates(2, 6, 4, torch.float64)
    f, c = (x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for x in tidy[:2])
    h = tidy[2].detach().T.contiguous().T.requires_grad_()
    assert not any(x.is_contiguous() for x in (f, c, h))
    assert torch.equal(scan.mlgru_scan(f, c, h), scan.mlgru_scan(*tidy))
    for scattered, whole in zip(gradients(scan, f, c, h), gradients(scan, *tidy), strict=True):
        assert torch.equal(scattered, whole)


@every_scan
def test_one_number_as_the_gradient_of_all_memories_is_spread_to_all(scan):
    """The gradient of a plain sum is a single 1 in memory, which every position reads."""
    f, c, h = gates(2, 5, 3, torch.float64)
    spread = torch.autograd.grad(scan.mlgru_scan(f, c, h).sum(), (f, c, h))
    written_out = torch.autograd.grad(naive.mlgru_scan(f, c, h), (f, c, h), torch.ones_like(c))
    for a, b in zip(spread, written_out, strict=True):
        torch.testing.assert_close(a, b, rtol=DOUBLE_TOLERANCE, atol=DOUBLE_TOLERANCE)


@every_scan
def test_what_was_handed_in_is_not_changed(scan):
    given = gates(2, 17, 5)
    before = [x.detach().clone() for x in given]
    gradients(scan, *given)
    assert all(torch.equal(x, old) for x, old in zip(given, before, strict=True))


def test_another_process_computes_the_same_from_the_compilation_cache():
    f, c, h = gates(2, 3, 4)
    compiled.mlgru_scan(f.detach(), c.detach(), h.detach())          # from now on the cache holds it
    program = """
import torch
from mmf_teach.engine.mlgru_scan import compiled
torch.manual_seed(2 * 3 * 4)
f, c, h = torch.rand(2, 3, 4), torch.randn(2, 3, 4), torch.randn(2, 4)
f[:, ::5], f[:, 1::5] = 0.0, 1.0
memories = compiled.mlgru_scan(f, c, h)
print(sum(compiled._forward.stats.cache_hits.values()), memories.flatten().tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    hits, _, memories = done.stdout.partition(" ")
    assert int(hits) == 1
    assert memories.strip() == str(naive.mlgru_scan(f, c, h).flatten().tolist())


def test_tensors_on_the_cpu_go_to_the_compiled_scan(monkeypatch):
    monkeypatch.setattr(fastest.compiled, "mlgru_scan", lambda f, c, h: ("compiled", f, c, h))
    given = gates(1, 2, 3)
    chosen, *passed_on = fastest.mlgru_scan(*given)
    assert chosen == "compiled" and all(a is b for a, b in zip(passed_on, given, strict=True))


def test_tensors_that_are_neither_on_the_cpu_nor_on_a_gpu_go_to_the_doubling_scan():
    f, c, h = (x.detach().to("meta") for x in gates(2, 5, 3))
    memories = fastest.mlgru_scan(f, c, h)
    assert memories.device.type == "meta" and memories.shape == (2, 5, 3)
