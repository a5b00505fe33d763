"""A model as our core takes it: its sizes, and its weights as arrays of whole numbers.

Course    notebook 13, "The model on the machine"
Formats   those of ternary/fixed_point.py: embeddings and biases are activations, a weight scale is a scale

Whatever has these names will do, such as the configuration and the integer model of mmf_teach; where it was trained,
and in what, is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Int8, Int64
from numpy import ndarray


class Sizes(Protocol):
    """What a program depends on: no weight changes it, but for the scales in its `resc`."""

    kind: str                # only "matmul_free" can be lowered
    vocab: int               # v, distinct tokens
    width: int               # d, features per token
    inner: int               # l, features inside the channel mixer
    blocks: int              # n, pairs of token mixer and channel mixer


@dataclass(frozen=True)
class ModelSizes:
    """The same as a record, and nothing else."""

    vocab: int
    width: int
    inner: int
    blocks: int
    kind: str = "matmul_free"


class Linear(Protocol):
    """One matrix of the model."""

    trits: Int8[ndarray, "out in"]
    scale: int
    bias: Int64[ndarray, "out"]


class Block(Protocol):
    """The matrices of one block: four of the token mixer, three of the channel mixer."""

    to_f: Linear
    to_c: Linear
    to_g: Linear
    to_o: Linear
    to_gate: Linear
    to_up: Linear
    to_down: Linear


class Model(Protocol):
    """All weights."""

    embedding: Int64[ndarray, "v d"]
    blocks: Sequence[Block]
    head: Linear


def sizes_of(model: Model) -> ModelSizes:
    """The sizes of a model, as its arrays have them."""
    vocab, width = model.embedding.shape
    return ModelSizes(vocab, width, len(model.blocks[0].to_gate.trits), len(model.blocks))
