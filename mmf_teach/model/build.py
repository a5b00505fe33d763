"""All models of the course by name."""

from typing import Any

from mmf_teach.layers.binary_linear import SignLinear
from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.matmul_free import MatMulFree
from mmf_teach.model.matmul_free_released import MatMulFreeReleased
from mmf_teach.model.rivals.binary_bitnet import BinaryBitNet
from mmf_teach.model.rivals.bitnet import BitNet
from mmf_teach.model.rivals.hybrid import Hybrid
from mmf_teach.model.rivals.mamba import MambaModel
from mmf_teach.model.rivals.transformer import Transformer

MODELS = {
    "matmul_free": MatMulFree,                       # the paper's form
    "matmul_free_released": MatMulFreeReleased,      # the released code's form
    "transformer": Transformer,                      # Transformer++
    "bitnet": BitNet,                                # BitNet b1.58: ternary maps, attention
    "binary_bitnet": BinaryBitNet,                   # the same in one bit a weight
    "mamba": MambaModel,
    "hybrid": Hybrid,                                # MLGRU and local attention in turn, ternary maps
}
TERNARY = {"matmul_free", "matmul_free_released"}    # all maps ternary, and no attention: the MatMul-free ones
RUNNING = {                                          # the layers of a model that was packed
    **dict.fromkeys([*sorted(TERNARY), "bitnet", "hybrid"], TernaryLinear), "binary_bitnet": SignLinear,
}


def require_kind(kind: Any) -> None:
    """ValueError for a kind of model that there is not."""
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"unknown model {kind!r}; there are {', '.join(MODELS)}")


def build(config: ModelConfig, packed: bool = False) -> LanguageModel:
    """A model to learn, or to run on trits or signs. ValueError for an unknown kind, or one that has neither."""
    require_kind(config.kind)
    if packed and config.kind not in RUNNING:
        raise ValueError(f"a {config.kind} has no trits to run on")
    return MODELS[config.kind](config, linear=RUNNING[config.kind]) if packed else MODELS[config.kind](config)
