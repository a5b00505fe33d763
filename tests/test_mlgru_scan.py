"""The fast scans give the same memories and the same gradients as the naive one."""

import pytest
import torch

from mmf_teach.kernels.mlgru_scan import compiled, doubling, naive

SIZES = [(1, 1, 1), (3, 17, 5), (2, 63, 64), (1, 130, 33)]
AT_ONCE_TOLERANCE = 1e-6                     # doubling adds in another order: some roundings of float32


def gates(b: int, t: int, d: int, dtype=torch.float32):
    """Forget gates, candidates and a first memory, with gates of exactly 0 and 1 among them."""
    torch.manual_seed(b * t * d)
    f, c, h = torch.rand(b, t, d, dtype=dtype), torch.randn(b, t, d, dtype=dtype), torch.randn(b, d, dtype=dtype)
    f[:, ::5], f[:, 1::5] = 0.0, 1.0
    return [x.requires_grad_() for x in (f, c, h)]


@pytest.mark.parametrize("size", SIZES)
def test_the_compiled_scan_equals_the_naive_one_to_the_last_bit(size):
    f, c, h = gates(*size)
    assert torch.equal(compiled.mlgru_scan(f, c, h), naive.mlgru_scan(f, c, h))
