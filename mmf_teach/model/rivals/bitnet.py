"""BitNet b1.58: a Transformer whose maps are ternary. Its attention still multiplies floats by floats.

Course    notebook 07, "A whole language model"
Source    Ma et al. 2024, arXiv 2402.17764; embedding, last norm and head stay in floats, as there
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from mmf_teach.layers.attention import Attention
from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel


class BitNet(LanguageModel):
    """`linear` is BitLinear to learn, TernaryLinear to run what was learnt."""

    def __init__(self, config: ModelConfig, linear: Callable[[int, int], nn.Module] = BitLinear):
        width, attention = config.width, partial(Attention, config.width, config.heads, config.kv_heads, linear)
        blocks = [Block(width, attention(), GLU(width, config.inner, linear)) for _ in range(config.blocks)]
        head = nn.Sequential(RMSNorm(width, gain=True), nn.Linear(width, config.vocab, bias=False))
        super().__init__(config, blocks, head)
