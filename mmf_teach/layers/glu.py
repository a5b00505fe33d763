"""GLU, the channel mixer: widen, gate, narrow.

Course    notebook 06, "Mixing channels"
Equation  g = x W_g,  u = x W_u,  y = (silu(g) ⊙ u) W_d
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3; Shazeer 2020, arXiv 2002.05202 (as SwiGLU)
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu


class GLU(nn.Module):
    """`linear` makes the three maps: BitLinear in the MatMul-free model, a dense layer in Transformer++."""

    def __init__(self, width: int, inner: int, linear: Callable[[int, int], nn.Module]):
        super().__init__()
        self.to_gate = linear(width, inner)
        self.to_up = linear(width, inner)
        self.to_down = linear(inner, width)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        g, u = self.to_gate(x), self.to_up(x)
        return self.to_down(silu(g) * u)


class ReleasedGLU(nn.Module):
    """The authors' code makes gate and up in one map, so that both share one scale."""

    def __init__(self, width: int, inner: int, linear: Callable[[int, int], nn.Module]):
        super().__init__()
        self.to_gate_and_up = linear(width, 2 * inner)
        self.to_down = linear(inner, width)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        g, u = self.to_gate_and_up(x).chunk(2, dim=-1)
        return self.to_down(silu(g) * u)
