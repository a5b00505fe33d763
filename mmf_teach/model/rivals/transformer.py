"""Transformer++: the rival of the paper, in the style of Llama 2 (RMSNorm, RoPE, SwiGLU, no biases).

Course    notebook 05, "Memory without attention"
Source    Touvron et al. 2023, arXiv 2307.09288; named Transformer++ in Gu & Dao 2023, arXiv 2312.00752
"""

from functools import partial

from torch import nn

from mmf_teach.layers.attention import Attention, dense
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel


class Transformer(LanguageModel):
    """Dense float weights; as many of them as the MatMul-free model of the same sizes."""

    def __init__(self, config: ModelConfig):
        width, norm = config.width, partial(RMSNorm, config.width, gain=True)
        blocks = [
            Block(width, Attention(width, config.heads, config.kv_heads), GLU(width, config.inner, dense), norm)
            for _ in range(config.blocks)
        ]
        super().__init__(config, blocks, head=nn.Sequential(norm(), dense(width, config.vocab)))
