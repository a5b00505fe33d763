"""The audit: what a forward pass really executes, counted by kind and by layer, and the bytes it moves.

Course    notebook 07, "A whole language model"

Two forms, which are not the same thing.

    inference   tokens one by one with a carried state. Trits lie packed and meet int8 codes in a kernel, which adds,
                subtracts and skips: the caller packs the model and names the kernel. Constants that depend on no token
                are made before.
    training    all tokens at once, as the authors' code runs: trits are held as floats and handed to a dense product
                of matrices. MatMul-free in meaning, not in execution.
"""

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmf_teach.cost.closed_form import matrix_weights
from mmf_teach.cost.operation_counter.counter import Costs, OperationCounter, counting
from mmf_teach.layers.binary_linear import SignLinear
from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.build import RUNNING, build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel

FORMS = ("inference", "training")
TERNARY = ("ternary_add", "ternary_subtract", "skipped_zero")            # what a trit asks for: 1, -1, 0
MOST_WEIGHTS = 600_000_000                   # more are counted by formula: this many take minutes to make and run
PARTS = ("mmf_teach.layers.bit_linear.absmax",)              # functions with an account of their own within a layer


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


def fresh(config: ModelConfig, form: str, float_head: bool = False, seed: int = 0) -> LanguageModel:
    """A model to audit: random float weights that learn, or random trits, a third of each value, that only run.

    ValueError for one that is too large to run here: its formula is in closed_form.py.
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
        exchange_head(model)
    return model if form == "training" else model.eval()


def exchange_head(model: LanguageModel) -> None:
    """Exchange the last map for a dense one, as most ternary models have it."""
    head = model.head[-1] if isinstance(model.head, nn.Sequential) else model.head
    dense = nn.Linear(model.config.width, model.config.vocab, bias=False)
    if head is model.head:
        model.head = nn.Sequential(RMSNorm(model.config.width, gain=False), dense)
    else:
        model.head[-1] = dense


def audit(model: LanguageModel, tokens: int, form: str = "inference", kernels: Costs = MappingProxyType({})) -> Audit:
    """Run so many tokens of one sequence through a model and count. ValueError for a form that there is not.

    `kernels` names what runs below torch's dispatcher, and what a call costs.
    """
    if form not in FORMS:
        raise ValueError(f"the form is {' or '.join(FORMS)}, not {form!r}")
    if tokens < 1:
        raise ValueError(f"at least one token must be read, not {tokens}")
    text = torch.from_numpy(np.random.default_rng(0).integers(0, model.config.vocab, (1, tokens)))
    run = _step_by_step if form == "inference" else _at_once
    with counting(model, kernels, PARTS) as counter:
        moved = run(model, text, counter)
    moved |= {"activations": counter.written_bytes}
    return Audit(model.config, form, tokens, dict(counter.by_layer), counter.matmuls, moved, roles(model))


@torch.no_grad()
def _step_by_step(model: LanguageModel, text: Tensor, counter: OperationCounter) -> dict[str, int]:
    """Bytes of weights and of the state that move, token by token."""
    with counter.pause():
        constants, state = model.shared(), model.initial_state(1)
    moved = Counter()
    model.shared = lambda: constants
    try:
        for token in text.T:
            moved["state"] += _kept(state)
            counter.read.clear()
            _, state = model.step(token, state)
            moved["weights"] += _read_bytes(model, counter) + _packed_bytes(model) + _row_bytes(model)
            moved["state"] += _written(state)
    finally:
        del model.__dict__["shared"]
    return dict(moved)


def _at_once(model: LanguageModel, text: Tensor, counter: OperationCounter) -> dict[str, int]:
    """The same, for all tokens together."""
    _, state = model(text)
    return {"weights": _read_bytes(model, counter) + text.shape[1] * _row_bytes(model), "state": _kept(state)}


def roles(model: LanguageModel) -> dict[str, str]:
    """What each module is there for, in a reader's words."""
    found = {"": "what the model makes once a step"}
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, RMSNorm):
            found[name] = "norms"
        elif hasattr(module, "norm"):
            found[name], found[f"{name}.absmax"] = "scales of the sums", "int8 codes"
        elif last == "token_mixer":
            found[name] = "gates and memory"
        elif last == "channel_mixer":
            found[name] = "gated unit"
    return found


def _read_bytes(model: LanguageModel, counter: OperationCounter) -> int:
    """Bytes of the weights that went into an operation; of an embedding only rows do, which are counted apart."""
    own = (each for each in (*model.parameters(), *model.buffers()) if each is not model.embedding.weight)
    places = {each.untyped_storage().data_ptr(): each.nbytes for each in own}
    return sum(size for place, size in places.items() if place in counter.read)


def _packed_bytes(model: LanguageModel) -> int:
    """Bytes of trits as packed layers store them, which every token reads once."""
    return sum(getattr(layer, "stored_bytes", 0) for layer in model.modules())


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
