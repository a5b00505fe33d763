"""BitNet of the first paper: the same Transformer with weights of one bit, -1 or +1.

Course    notebook 08, "Training with three values"
Source    Wang et al. 2023, arXiv 2310.11453
"""

from collections.abc import Callable

from torch import nn

from mmf_teach.layers.binary_linear import BinaryLinear
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.rivals.bitnet import BitNet


class BinaryBitNet(BitNet):
    """`linear` is BinaryLinear to learn, SignLinear to run what was learnt."""

    def __init__(self, config: ModelConfig, linear: Callable[[int, int], nn.Module] = BinaryLinear):
        super().__init__(config, linear)
