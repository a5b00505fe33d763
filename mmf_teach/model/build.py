"""All models of the course by name."""

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


def build(config: ModelConfig, packed: bool = False) -> LanguageModel:
    """A model of that kind and size, to learn, or to run on packed trits. ValueError for an unknown kind."""
    if config.kind not in MODELS:
        raise ValueError(f"unknown model {config.kind!r}; there are {', '.join(MODELS)}")
    return MODELS[config.kind](config, linear=TernaryLinear) if packed else MODELS[config.kind](config)
