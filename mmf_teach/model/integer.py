"""A trained model in whole numbers: its trits as they are, scales, biases and embeddings in fixed point.

Course    notebook 04, "Fast kernels", and Part III
Formats   ternary/fixed_point.py: scales 2⁻²⁴, biases and embeddings 2⁻¹²
"""

import numpy as np

from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.reference.integer_model import IntegerBlock, IntegerLinear, IntegerModel
from mmf_teach.ternary import fixed_point as fp


def integer_model(model: LanguageModel) -> IntegerModel:
    """The whole numbers of a trained model in the paper's form. ValueError for any other."""
    if model.config.kind != "matmul_free" or not isinstance(model.head, TernaryLinear):
        raise ValueError("the integer model is made from a packed MatMul-free model in the paper's form")
    blocks = []
    for block in model.blocks:
        mixer, channel = block.token_mixer, block.channel_mixer
        maps = (mixer.to_f, mixer.to_c, mixer.to_g, mixer.to_o, channel.to_gate, channel.to_up, channel.to_down)
        blocks.append(IntegerBlock(*map(integer_linear, maps)))
    embedding = fp.to_fixed(model.embedding.weight.detach().numpy(), fp.ACTIVATION)
    return IntegerModel(embedding, blocks, integer_linear(model.head))


def integer_linear(layer: TernaryLinear) -> IntegerLinear:
    """The whole numbers of one layer."""
    bias = np.zeros(len(layer.trits)) if layer.bias is None else layer.bias.detach().numpy()
    scale = int(fp.to_fixed(float(layer.scale), fp.SCALE))
    return IntegerLinear(layer.trits.numpy(), scale, fp.to_fixed(bias, fp.ACTIVATION))
