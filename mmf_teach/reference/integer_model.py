"""The MatMul-free model in whole numbers, written to be read: the definition that engine and machine must match.

Course    notebook 04, "Fast kernels", and Part III
Equation  as mlgru.py and glu.py, in the formats of ternary/fixed_point.py

Slow and plain on purpose: NumPy integers, one token of each sequence at a time. model/integer.py makes one of a
trained model.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int8, Int64
from numpy import ndarray

from mmf_teach.ternary import fixed_point as fp

Vector = Int64[ndarray, "b d"]
State = Int64[ndarray, "n b d"]              # what every block remembers, as memories


@dataclass(frozen=True)
class IntegerLinear:
    """A BitLinear: trits, and its scale and bias as whole numbers."""

    trits: Int8[ndarray, "out in"]
    scale: int
    bias: Int64[ndarray, "out"]

    def __call__(self, codes: Int64[ndarray, "b in"], code_scale: Int64[ndarray, "b 1"]) -> Int64[ndarray, "b out"]:
        """Activations from codes: sum under the trits, rescale, add the bias.

        >>> layer = IntegerLinear(np.array([[1, 0, -1]], np.int8), 1 << fp.SCALE, np.array([5]))
        >>> layer(np.array([[7, 1, 4]]), np.array([[1 << fp.SCALE]])).tolist()      # 7 - 4, in steps of 2⁻¹², plus 5
        [[12293]]
        """
        sums = codes @ self.trits.T.astype(np.int64)         # exact: they are whole numbers
        return fp.rescale(sums, code_scale, self.scale) + self.bias


def quantise(x: Int64[ndarray, "b d"], bits: int) -> tuple[Int64[ndarray, "b d"], Int64[ndarray, "b 1"]]:
    """Norm and absmax in one: the codes of each token, and what one code stands for after the norm.

    >>> codes, code_scale = quantise(np.array([[4096, -4096]]), fp.ACTIVATION)      # 1 and -1: the norm leaves them
    >>> codes.tolist(), code_scale.tolist() == [[(1 << fp.SCALE) // 127]]
    ([[127, -127]], True)
    """
    codes, largest = fp.codes(x)
    return codes, fp.code_scale(largest, fp.root_mean_square(x, bits))


@dataclass(frozen=True)
class IntegerBlock:
    """The maps of one block."""

    to_f: IntegerLinear
    to_c: IntegerLinear
    to_g: IntegerLinear
    to_o: IntegerLinear
    to_gate: IntegerLinear
    to_up: IntegerLinear
    to_down: IntegerLinear

    def step(self, x: Vector, h: Vector) -> tuple[Vector, Vector]:
        """One token: the stream and the memory after it."""
        read = quantise(x, fp.ACTIVATION)
        f = fp.sigmoid(self.to_f(*read))
        c = fp.silu(self.to_c(*read))
        h = fp.remember(f, c, h)
        gated = fp.shift(fp.sigmoid(self.to_g(*read)) * h, fp.GATE)
        x = x + self.to_o(*quantise(gated, fp.MEMORY))

        read = quantise(x, fp.ACTIVATION)
        inner = fp.shift(fp.silu(self.to_gate(*read)) * self.to_up(*read), 2 * fp.ACTIVATION - fp.MEMORY)
        return x + self.to_down(*quantise(inner, fp.MEMORY)), h


@dataclass(frozen=True)
class IntegerModel:
    """The whole model: embedding, blocks, head."""

    embedding: Int64[ndarray, "v d"]
    blocks: list[IntegerBlock]
    head: IntegerLinear

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet."""
        return np.zeros((len(self.blocks), batch, self.embedding.shape[1]), dtype=np.int64)

    def step(self, tokens: Int[ndarray, "b"], state: State) -> tuple[Int64[ndarray, "b v"], State]:
        """Read one token of each sequence; return the scores of the next (activations), and the new state."""
        x, after = self.embedding[tokens], np.empty_like(state)
        for number, block in enumerate(self.blocks):
            x, after[number] = block.step(x, state[number])
        return self.head(*quantise(x, fp.ACTIVATION)), after
