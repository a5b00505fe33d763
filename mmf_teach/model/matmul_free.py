"""The MatMul-free language model in the paper's form: every map a BitLinear, the head too.

Course    notebook 07, "A whole language model"
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3 and Algorithm 1
"""

from torch import nn

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel


class MatMulFree(LanguageModel):
    """`linear` is BitLinear to learn, TernaryLinear to run what was learnt."""

    def __init__(self, config: ModelConfig, linear: type[nn.Module] = BitLinear):
        width = config.width
        blocks = [Block(width, MLGRU(width, linear), GLU(width, config.inner, linear)) for _ in range(config.blocks)]
        super().__init__(config, blocks, head=linear(width, config.vocab))
