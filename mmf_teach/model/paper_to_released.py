"""Between the paper and the released code: one model, in which each difference can be switched on by itself.

Course    notebook 07, "A whole language model"
Equation  paper's form     f = σ(x W_f + b),                 y = (σ(g) ⊙ h) W_o
          released form    f = λ + (1 - λ) σ(x W_f),         y = (norm(g) ⊙ silu(h)) W_o
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3; ridgerchu/matmulfreellm a016f72

With none of them it is model/matmul_free.py, with all of them model/matmul_free_released.py, number for number.
"""

from collections.abc import Collection
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU, ReleasedGLU
from mmf_teach.layers.mlgru import LONGEST_BIAS
from mmf_teach.layers.mlgru_scan import mlgru_scan
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.matmul_free_released import MatMulFreeReleased
from mmf_teach.shapes import Features, State

BOUND, GATE, BIASES, NORMS, GAINS, ONE_MAP = DIFFERENCES = (
    "a lower bound on forgetting", "another output gate", "no biases", "norms before the mixers", "gains in the norms",
    "gate and up in one map",
)


class TokenMixer(nn.Module):
    """MLGRU in the paper's form, the released one, or anything between."""

    def __init__(self, width: int, differences: Collection[str]):
        super().__init__()
        linear = partial(BitLinear, width, width, bias=BIASES not in differences, gain=GAINS in differences)
        self.to_f, self.to_c, self.to_g, self.to_o = linear(), linear(), linear(), linear()
        self.gate_norm = RMSNorm(width, gain=True) if GATE in differences else None
        self.scan = mlgru_scan               # any function that computes the same may stand here
        if self.to_f.bias is not None:
            with torch.no_grad():
                self.to_f.bias.copy_(torch.linspace(0, LONGEST_BIAS, width))

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet."""
        return self.to_f.weight.new_zeros(batch, len(self.to_f.weight))

    def forward(self, x: Features, h: State, bound: Float[Tensor, "d"] | None = None) -> tuple[Features, State]:
        """Read all tokens of `x` after the memory `h`; return the outputs and the last memory."""
        f = torch.sigmoid(self.to_f(x))
        if bound is not None:
            f = bound + (1 - bound) * f
        h = self.scan(f, silu(self.to_c(x)), h)
        g = self.to_g(x)
        gated = torch.sigmoid(g) * h if self.gate_norm is None else self.gate_norm(g) * silu(h)
        return self.to_o(gated), h[:, -1]


class Between(LanguageModel):
    """A MatMul-free model with some of the DIFFERENCES. ValueError for one that is not among them."""

    def __init__(self, config: ModelConfig, differences: Collection[str]):
        for name in differences:
            if name not in DIFFERENCES:
                raise ValueError(f"there is no difference {name!r}: choose among {', '.join(DIFFERENCES)}")
        width, linear = config.width, partial(BitLinear, gain=GAINS in differences)
        norm = partial(RMSNorm, width, gain=GAINS in differences) if NORMS in differences else nn.Identity
        glu = ReleasedGLU if ONE_MAP in differences else GLU
        blocks = [
            Block(width, TokenMixer(width, differences), glu(width, config.inner, linear), norm)
            for _ in range(config.blocks)]
        super().__init__(config, blocks, head=nn.Sequential(norm(), linear(width, config.vocab)))
        self.bounds = nn.Parameter(torch.zeros(config.blocks, width)) if BOUND in differences else None

    def shared(self) -> list[tuple]:
        """Each block's lower bound on its forget gate, if there is one."""
        if self.bounds is None:
            return super().shared()
        return [(bound,) for bound in MatMulFreeReleased.lower_bounds(self)]
