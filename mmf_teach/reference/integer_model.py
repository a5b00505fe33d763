"""The MatMul-free model in whole numbers, written to be read: the definition that engine and machine must match.

Course    notebook 04, "Fast kernels", and Part III
Equation  as layers/mlgru.py and layers/glu.py, in the formats of ternary/fixed_point.py

Slow and plain on purpose: NumPy integers, one token of each sequence at a time.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int, Int8, Int64
from numpy import ndarray

from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.ternary import fixed_point as fp

State = Int64[ndarray, "n b d"]              # what every block remembers, as memories


@dataclass(frozen=True)
class IntegerLinear:
    """A BitLinear: trits, and its scale and bias as whole numbers."""

    trits: Int8[ndarray, "out in"]
    scale: int
    bias: Int64[ndarray, "out"]

    @classmethod
    def of(cls, layer: TernaryLinear) -> "IntegerLinear":
        """The whole numbers of a trained layer."""
        bias = np.zeros(len(layer.trits)) if layer.bias is None else layer.bias.detach().numpy()
        return cls(
            layer.trits.numpy(), int(fp.to_fixed(float(layer.scale), fp.SCALE)), fp.to_fixed(bias, fp.ACTIVATION),
        )

    def __call__(self, codes: Int64[ndarray, "b in"], worth: Int64[ndarray, "b 1"]) -> Int64[ndarray, "b out"]:
        """Activations from codes: sum under the trits, rescale, add the bias."""
        return fp.rescale(codes @ self.trits.T.astype(np.int64), worth, self.scale) + self.bias


def quantise(x: Int64[ndarray, "b d"], bits: int) -> tuple[Int64[ndarray, "b d"], Int64[ndarray, "b 1"]]:
    """Norm and absmax in one: the codes of each token, and what one code is worth after the norm."""
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

    def step(self, x: Int64[ndarray, "b d"], h: Int64[ndarray, "b d"], seen: dict) -> tuple[ndarray, ndarray]:
        """One token: the stream and the memory after it. Every number on the way is left in `seen`."""
        seen["codes"], seen["worth"] = quantise(x, fp.ACTIVATION)
        read = seen["codes"], seen["worth"]
        seen["f"], seen["c"] = fp.sigmoid(self.to_f(*read)), fp.silu(self.to_c(*read))
        seen["h"] = h = fp.remember(seen["f"], seen["c"], h)
        seen["shown"] = fp.shift(fp.sigmoid(self.to_g(*read)) * h, fp.GATE)
        seen["mixed"] = x = x + self.to_o(*quantise(seen["shown"], fp.MEMORY))
        read = quantise(x, fp.ACTIVATION)
        wide = fp.silu(self.to_gate(*read)) * self.to_up(*read)
        seen["inner"] = fp.shift(wide, 2 * fp.ACTIVATION - fp.MEMORY)
        seen["out"] = x = x + self.to_down(*quantise(seen["inner"], fp.MEMORY))
        return x, h


@dataclass(frozen=True)
class IntegerModel:
    embedding: Int64[ndarray, "v d"]
    blocks: list[IntegerBlock]
    head: IntegerLinear
    seen: list[dict] = field(default_factory=list)       # every number of the last step, a dictionary a block

    @classmethod
    def of(cls, model: LanguageModel) -> "IntegerModel":
        """The whole numbers of a trained model in the paper's form. ValueError for any other."""
        if model.config.kind != "matmul_free" or not isinstance(model.head, TernaryLinear):
            raise ValueError("the integer model is made from a packed MatMul-free model in the paper's form")
        linear = IntegerLinear.of
        blocks = []
        for block in model.blocks:
            m, c = block.token_mixer, block.channel_mixer
            maps = (m.to_f, m.to_c, m.to_g, m.to_o, c.to_gate, c.to_up, c.to_down)
            blocks.append(IntegerBlock(*map(linear, maps)))
        embedding = fp.to_fixed(model.embedding.weight.detach().numpy(), fp.ACTIVATION)
        return cls(embedding, blocks, linear(model.head))

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet."""
        return np.zeros((len(self.blocks), batch, self.embedding.shape[1]), dtype=np.int64)

    def step(self, tokens: Int[ndarray, "b"], state: State) -> tuple[Int64[ndarray, "b v"], State]:
        """Read one token of each sequence; return the scores of the next (activations), and the new state."""
        x, after = self.embedding[tokens], np.empty_like(state)
        self.seen.clear()
        for number, block in enumerate(self.blocks):
            self.seen.append({})
            x, after[number] = block.step(x, state[number], self.seen[-1])
        return self.head(*quantise(x, fp.ACTIVATION)), after
