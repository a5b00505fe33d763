"""Mamba: a language model of selective state spaces, dense float weights, no attention.

Course    notebook 05, "Memory without attention"
Source    Gu & Dao 2023, arXiv 2312.00752. Its head is a matrix of its own, as in all models of the course; theirs
          shares the embedding's
"""

from torch import nn

from mmf_teach.layers.mamba import MambaBlock
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel


class MambaModel(LanguageModel):
    """Two layers of about 6·d² weights for each block of the others, so that equal sizes mean equal weights."""

    def __init__(self, config: ModelConfig):
        width = config.width
        blocks = [MambaBlock(width, config.state, RMSNorm(width, gain=True)) for _ in range(2 * config.blocks)]
        head = nn.Sequential(RMSNorm(width, gain=True), nn.Linear(width, config.vocab, bias=False))
        super().__init__(config, blocks, head)
