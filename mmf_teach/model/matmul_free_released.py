"""The MatMul-free language model as the authors' released code has it.

Course    notebook 07, "A whole language model"
Source    ridgerchu/matmulfreellm a016f72, mmfreelm/models/hgrn_bit/modeling_hgrn_bit.py

The norms inside BitLinear have an ε of 1e-6 whatever the configuration says: the authors' fused layer never hears of
it (nor of the 1e-8 that its norm was made with). All other norms have the configured one.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import ReleasedGLU
from mmf_teach.layers.mlgru_released import ReleasedMLGRU
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel


class MatMulFreeReleased(LanguageModel):
    """`linear` is BitLinear to learn, TernaryLinear to run what was learnt."""

    def __init__(self, config: ModelConfig, linear: type[nn.Module] = BitLinear):
        width, norm = config.width, partial(RMSNorm, config.width, gain=True, epsilon=config.epsilon)
        linear = partial(linear, gain=True)
        blocks = [
            Block(
                width, ReleasedMLGRU(width, linear, config.epsilon), ReleasedGLU(width, config.inner, linear), norm)
            for _ in range(config.blocks)
        ]
        super().__init__(config, blocks, head=nn.Sequential(norm(), linear(width, config.vocab)))
        self.bounds = nn.Parameter(torch.zeros(config.blocks, width))

    def lower_bounds(self) -> Float[Tensor, "n d"]:
        """λ of each block: shares that sum to 1 over the blocks, added up from the second block on."""
        shares = self.bounds.softmax(dim=0)
        return shares.cumsum(dim=0) - shares[0]

    def shared(self) -> list[tuple]:
        """Each block's lower bound on its forget gate."""
        return [(bound,) for bound in self.lower_bounds()]
