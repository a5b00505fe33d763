"""A hybrid: MatMul-free blocks, of which every second has local attention in the place of the MLGRU.

Course    notebook 09, "Long contexts"
Source    the mixture of De et al. 2024 (Griffin), arXiv 2402.19427, and Ren et al. 2024 (Samba), arXiv 2406.07522,
          with the layers of Zhu et al. 2024, arXiv 2406.02528
"""

from torch import nn

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.sliding_attention import SlidingAttention
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel


class Hybrid(LanguageModel):
    """All maps are ternary; of the attention, the products of queries, keys and values are not."""

    def __init__(self, config: ModelConfig, linear: type[nn.Module] = BitLinear):
        width = config.width

        def token_mixer(block: int) -> nn.Module:
            if block % 2 == 0:
                return MLGRU(width, linear)
            return SlidingAttention(width, config.heads, config.reach, config.kv_heads, linear)

        blocks = [Block(width, token_mixer(n), GLU(width, config.inner, linear)) for n in range(config.blocks)]
        super().__init__(config, blocks, head=linear(width, config.vocab))
