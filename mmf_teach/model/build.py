"""All models of the course by name."""

from typing import Any

from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.model.baselines.transformer import Transformer
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.matmul_free import MatMulFree
from mmf_teach.model.matmul_free_released import MatMulFreeReleased

MODELS = {
    "matmul_free": MatMulFree,                       # the paper's form
    "matmul_free_released": MatMulFreeReleased,      # the released code's form
    "transformer": Transformer,                      # Transformer++
}
TERNARY = {"matmul_free", "matmul_free_released"}    # models that can be packed


def require_kind(kind: Any) -> None:
    """ValueError for a kind of model that there is not."""
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"unknown model {kind!r}; there are {', '.join(MODELS)}")


def build(config: ModelConfig, packed: bool = False) -> LanguageModel:
    """A model to learn, or to run on packed trits. ValueError for an unknown kind, or one that has no trits."""
    require_kind(config.kind)
    if packed and config.kind not in TERNARY:
        raise ValueError(f"a {config.kind} has no trits to run on")
    return MODELS[config.kind](config, linear=TernaryLinear) if packed else MODELS[config.kind](config)
