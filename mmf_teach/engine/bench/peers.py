"""What torch itself offers for the same product: floats of 32 and 16 bits, int8 in three ways, int4.

Course    notebook 04, "Fast kernels"

Each is given what it likes best: weights already converted, inputs already in its own kind of number. What this version
of torch, or this processor, does not have is left out.
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from mmf_teach.engine.bench.clock import Work
from mmf_teach.engine.bench.probe import copies_for_cold
from mmf_teach.engine.bench.rows import four_digits

INT4_GROUP = 128                             # weights that share a scale: not used by trits, but asked for


def _float32(trits: Tensor, codes: Tensor) -> tuple[Tensor, Callable]:
    x = codes.float()
    return trits.float(), lambda w: nn.functional.linear(x, w)


def _bfloat16(trits: Tensor, codes: Tensor) -> tuple[Tensor, Callable]:
    x = codes.bfloat16()
    return trits.bfloat16(), lambda w: nn.functional.linear(x, w)


def _int8_product(trits: Tensor, codes: Tensor) -> tuple[Tensor, Callable]:
    return trits, lambda w: torch._int_mm(codes, w.t())


def _int8_product_by_columns(trits: Tensor, codes: Tensor) -> tuple[Tensor, Callable]:
    return trits.t().contiguous(), lambda w: torch._int_mm(codes, w)


def _int8_weights(trits: Tensor, codes: Tensor) -> tuple[Tensor, Callable]:
    x, scales = codes.bfloat16(), torch.ones(len(trits), dtype=torch.bfloat16)
    return trits, lambda w: torch._weight_int8pack_mm(x, w, scales)


def _int4_weights(trits: Tensor, codes: Tensor) -> tuple[Tensor, Callable]:
    outputs, inputs = trits.shape
    x, scales = codes.bfloat16(), torch.zeros(inputs // INT4_GROUP, outputs, 2, dtype=torch.bfloat16)
    scales[..., 0] = 1
    packed = torch._convert_weight_to_int4pack_for_cpu(trits.to(torch.int32) + 8, 1)
    return packed, lambda w: torch._weight_int4pack_mm_for_cpu(x, w, INT4_GROUP, scales)


PEERS = {                                    # name in the table, and what it is compared as
    "torch fp32": ("fp32", _float32),
    "torch bf16": ("bf16", _bfloat16),
    "torch int8 x int8": ("int8", _int8_product),
    "torch int8 x int8, by columns": ("int8", _int8_product_by_columns),
    "torch int8 weights": ("int8", _int8_weights),
    "torch int4 weights": ("int4", _int4_weights),
}
DYNAMIC = "torch int8 dynamic"
KINDS = {name: kind for name, (kind, _) in PEERS.items()} | {DYNAMIC: "int8"}


def _dynamic(trits: Tensor, codes: Tensor, copies: int) -> Work:
    """A layer of torch's dynamic quantisation, which quantises its float inputs at each call."""
    x, layers = codes.float(), []
    for _ in range(copies):
        layer = nn.Linear(trits.shape[1], trits.shape[0], bias=False)
        layer.weight = nn.Parameter(trits.float())
        layers.append(torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), {nn.Linear}, dtype=torch.qint8))
    return lambda number: layers[number % copies](x)


def torch_works(trits: ndarray, codes: ndarray, cold: bool) -> dict[str, Work]:
    """All of torch's products that run here, each as a call; if cold, with another copy of the weights each time."""
    trits, codes = torch.from_numpy(trits), torch.from_numpy(codes)
    works: dict[str, Work] = {}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")      # of dynamic quantisation, which is to move to another package
        for name, (_, make) in PEERS.items():
            try:
                weights, product = make(trits, codes)
                product(weights)
            except (RuntimeError, AttributeError):
                continue                     # this torch or this processor does not have it
            copies = copies_for_cold(weights.nbytes) if cold else 1
            stored = [weights, *(weights.clone(memory_format=torch.preserve_format) for _ in range(copies - 1))]
            works[name] = _calling(product, stored)
        try:
            works[DYNAMIC] = _dynamic(trits, codes, copies_for_cold(trits.nbytes) if cold else 1)
            works[DYNAMIC](0)
        except (RuntimeError, AttributeError):
            works.pop(DYNAMIC, None)
    return works


def _calling(product: Callable, stored: list[Tensor]) -> Work:
    return lambda number: product(stored[number % len(stored)])


def ratios(ours_us: float, torch_us: dict[str, float]) -> dict[str, float]:
    """How many times faster than torch's best of each kind."""
    best: dict[str, float] = {}
    for name, time_us in torch_us.items():
        kind = KINDS[name]
        best[kind] = min(best.get(kind, np.inf), time_us)
    return {f"torch {kind}": four_digits(time_us / ours_us) for kind, time_us in best.items()}
