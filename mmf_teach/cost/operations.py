"""The audit: what a forward pass really executes, counted by kind and by layer, and the bytes it moves.

Course    notebook 07, "A whole language model"

Two forms, which are not the same thing.

    inference   tokens one by one with a carried state. Trits lie packed and meet int8 codes in the project's kernel,
                which adds, subtracts and skips. Constants that depend on no token are made before.
    training    all tokens at once, as the authors' code runs: trits are held as floats and handed to a dense product
                of matrices. MatMul-free in meaning, not in execution.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from mmf_teach.cost.sheet import matrix_weights
from mmf_teach.cost.watch import Watch, watched
from mmf_teach.engine.packed_linear import PackedLinear
from mmf_teach.engine.ternary_matmul.kernel import Kernel, Packed
from mmf_teach.layers.binary_linear import SignLinear
from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.build import RUNNING, build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.ternary.packing import pack_base3

FORMS = ("inference", "training")
TERNARY = ("ternary_add", "ternary_subtract", "skipped_zero")            # what a trit asks for: 1, -1, 0
MOST_WEIGHTS = 600_000_000                   # more are counted by formula: this many take minutes to make and run
PARTS = (                                    # functions that get an account of their own within a layer
    "mmf_teach.layers.bit_linear.absmax", "mmf_teach.engine.packed_linear.absmax",
)


@dataclass(frozen=True)
class Audit:
    """What a forward pass did, over all its tokens."""

    config: ModelConfig
    form: str
    tokens: int
    by_layer: dict[str, Counter]             # operations by the innermost module, or function of PARTS, that did them
    matmuls: Counter                         # products of matrices, by who was asked for them
    bytes: dict[str, int]                    # weights and state, moved once a step; activations: results written
    roles: dict[str, str]                    # layer -> what it is there for

    @property
    def operations(self) -> Counter:
        """Operations by kind."""
        return sum(self.by_layer.values(), Counter())

    @property
    def matmul_calls(self) -> int:
        """How often a product of matrices was asked for."""
        return self.matmuls.total()

    def grouped(self) -> dict[str, Counter]:
        """Operations by part of the model: embedding, each block's mixers and norms, head."""
        groups: dict[str, Counter] = {}
        for name, operations in self.by_layer.items():
            part = ".".join(name.split(".")[: 3 if name.startswith("blocks.") else 1]) or "whole model"
            groups[part] = groups.get(part, Counter()) + operations
        return {part: operations for part, operations in groups.items() if operations}

    def multiplications(self) -> dict[str, int]:
        """Multiplications that remain, by what they are there for, the most first."""
        found: Counter = Counter()
        for name, operations in self.by_layer.items():
            role = "products of matrices" if name.endswith(".product") else self.roles.get(name, "the rest")
            found[role] += operations["multiply"]
        return {role: count for role, count in found.most_common() if count}

    def to_json(self) -> dict[str, Any]:
        """A plain document; operations and bytes are per token."""
        def each(operations: Counter) -> dict[str, int | float]:
            return {kind: shared(count, self.tokens) for kind, count in sorted(operations.items())}

        total = self.operations
        return {
            "model": self.config.to_json(), "form": self.form, "tokens": self.tokens, "kind": "counted",
            "operations": each(total),
            "by_layer": {name: each(operations) for name, operations in self.grouped().items()},
            "multiplications": {role: shared(count, self.tokens) for role, count in self.multiplications().items()},
            "multiplications_percent": percent_left(total["multiply"], sum(total[kind] for kind in TERNARY)),
            "matmul_calls": self.matmul_calls, "matmul_by": dict(self.matmuls),
            "bytes": {cause: shared(count, self.tokens) for cause, count in self.bytes.items()},
        }


def percent_left(multiplications: int, trits: int) -> float:
    """Multiplications, in per cent of them and what trits ask for together."""
    return round(100 * multiplications / (multiplications + trits), 3)


def shared(count: int, tokens: int) -> int | float:
    """The share of one token: a whole number where it is one."""
    return count // tokens if count % tokens == 0 else count / tokens


def trit_counts(kernel: Kernel, codes: ndarray, packed: Packed, threads: int = 1) -> Counter:
    """What a ternary product asks for: for each token an addition a +1, a subtraction a -1, and nothing a 0."""
    trits = kernel.unpack(packed)
    plus, minus = int((trits == 1).sum()), int((trits == -1).sum())
    each = {"ternary_add": plus, "ternary_subtract": minus, "skipped_zero": trits.size - plus - minus}
    return Counter({kind: len(codes) * count for kind, count in each.items()})


def selective_scan_counts(decay: Tensor, write: Tensor, h: Tensor) -> Counter:
    """Mamba's recurrence, decay ⊙ h + write, of every token."""
    return Counter(multiply=decay.numel(), add=decay.numel())


def scan_counts(f: Tensor, c: Tensor, h: Tensor) -> Counter:
    """The recurrence f ⊙ h + (1 - f) ⊙ c of every token."""
    return Counter(multiply=2 * f.numel(), subtract=f.numel(), add=f.numel())


KERNELS: dict[str, Callable] = {             # what runs below torch's dispatcher, and what its call costs
    "mmf_teach.engine.ternary_matmul.kernel.Compiled.product": trit_counts,
    "mmf_teach.engine.ternary_matmul.kernel.Plain.product": trit_counts,
    "mmf_teach.engine.mlgru_scan.compiled.mlgru_scan": scan_counts,
    "mmf_teach.engine.selective_scan.compiled.selective_scan": selective_scan_counts,
}


def fresh(config: ModelConfig, form: str, float_head: bool = False, seed: int = 0) -> LanguageModel:
    """A model to audit: random float weights that learn, or random trits, a third of each value, that only run.

    ValueError for one that is too large to run here: its formula is in cost.formulas.
    """
    if matrix_weights(config) > MOST_WEIGHTS:
        raise ValueError(f"{matrix_weights(config):,} weights are too many to run here: ask for the formula")
    torch.manual_seed(seed)
    packed = form == "inference" and config.kind in RUNNING
    model = build(config, packed=packed)
    if packed:
        for layer in model.modules():
            if isinstance(layer, TernaryLinear):
                layer.trits.random_(-1, 2)
            if isinstance(layer, SignLinear):
                layer.trits.random_(0, 2).mul_(2).sub_(1)
    if float_head:
        with_float_head(model)
    return model if form == "training" else model.eval()


def with_float_head(model: LanguageModel) -> None:
    """Exchange the last map for a dense one, as most ternary models have it."""
    head = model.head[-1] if isinstance(model.head, nn.Sequential) else model.head
    dense = nn.Linear(model.config.width, model.config.vocab, bias=False)
    if head is model.head:
        model.head = nn.Sequential(RMSNorm(model.config.width, gain=False), dense)
    else:
        model.head[-1] = dense


def packed(model: LanguageModel) -> LanguageModel:
    """The same model, in place, with every layer of trits packed for the project's kernel."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, TernaryLinear):
            model.set_submodule(name, PackedLinear(layer, pack_base3(layer.trits.numpy())))
    return model


def audit(model: LanguageModel, tokens: int, form: str = "inference") -> Audit:
    """Run so many tokens of one sequence through a model and count. ValueError for a form that there is not."""
    if form not in FORMS:
        raise ValueError(f"the form is {' or '.join(FORMS)}, not {form!r}")
    if tokens < 1:
        raise ValueError(f"at least one token must be read, not {tokens}")
    text = torch.from_numpy(np.random.default_rng(0).integers(0, model.config.vocab, (1, tokens)))
    return _inference(packed(model), text) if form == "inference" else _training(model, text)


@torch.no_grad()
def _inference(model: LanguageModel, text: Tensor) -> Audit:
    constants, weights = model.shared(), _weight_bytes(model)
    state, moved = model.initial_state(1), Counter()
    model.shared = lambda: constants
    try:
        with watched(model, KERNELS, PARTS) as watch:
            for token in text.T:
                moved["state"] += _kept(state)
                watch.read.clear()
                _, state = model.step(token, state)
                moved["weights"] += sum(weights[place] for place in weights if place in watch.read)
                moved["weights"] += _packed_bytes(model) + _row_bytes(model)
                moved["state"] += _written(state)
    finally:
        del model.__dict__["shared"]
    return _audit(model, "inference", text.shape[1], watch, moved)


def _training(model: LanguageModel, text: Tensor) -> Audit:
    weights, moved = _weight_bytes(model), Counter()
    with _as_written(), watched(model, KERNELS, PARTS) as watch:
        _, state = model(text)
    moved["weights"] = sum(weights[place] for place in weights if place in watch.read)
    moved["weights"] += text.shape[1] * _row_bytes(model)
    moved["state"] = _kept(state)
    return _audit(model, "training", text.shape[1], watch, moved)


@contextmanager
def _as_written() -> Iterator[None]:
    """BitLinear as the textbook writes it, where it would choose a faster form of its own."""
    from mmf_teach.layers import bit_linear

    readable = getattr(bit_linear, "readable", None)
    if readable is None:
        yield
    else:
        with readable():
            yield


def _audit(model: LanguageModel, form: str, tokens: int, watch: Watch, moved: Counter) -> Audit:
    moved["activations"] = watch.moved_bytes
    return Audit(model.config, form, tokens, dict(watch.by_layer), watch.matmuls, dict(moved), roles(model))


def roles(model: LanguageModel) -> dict[str, str]:
    """What each module is there for, in a reader's words."""
    found = {"": "what the model makes once a step"}
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, RMSNorm):
            found[name] = "norms"
        elif isinstance(module, PackedLinear) or hasattr(module, "norm"):
            found[name], found[f"{name}.absmax"] = "scales of the sums", "int8 codes"
        elif last == "token_mixer":
            found[name] = "gates and memory"
        elif last == "channel_mixer":
            found[name] = "gated unit"
    return found


def _weight_bytes(model: LanguageModel) -> dict[int, int]:
    """Where each weight lies, and its bytes; of an embedding only rows are read, which is counted apart."""
    own = [*model.parameters(), *model.buffers()]
    places = {each.untyped_storage().data_ptr(): each.nbytes for each in own}
    places.pop(model.embedding.weight.untyped_storage().data_ptr())
    return places


def _packed_bytes(model: LanguageModel) -> int:
    """Bytes of trits as they are stored, five in a byte, which every token reads once."""
    layers = (module for module in model.modules() if isinstance(module, PackedLinear))
    return sum(-(-layer.matrix.outputs * layer.matrix.inputs // 5) for layer in layers)


def _row_bytes(model: LanguageModel) -> int:
    return model.embedding.weight[0].nbytes


def _kept(state: Any) -> int:
    """Bytes of all tensors in a state."""
    if isinstance(state, Tensor):
        return state.nbytes
    return sum(map(_kept, state)) if isinstance(state, tuple | list) else 0


def _written(state: Any) -> int:
    """Bytes of a state that are new after a token: all of it, but of a cache [b heads t head] one token's."""
    if isinstance(state, Tensor):
        return state.nbytes // max(1, state.shape[2]) if state.ndim == 4 else state.nbytes
    return sum(map(_written, state)) if isinstance(state, tuple | list) else 0
