"""The sizes that the paper speaks of, as sizes of any model of the course.

Course    notebooks 07, 09 and 14
Source    Zhu et al. 2024, arXiv 2406.02528, section 4 (370M, 1.3B, 2.7B); 13B is the largest of its memory figure, and
          its sizes are those of Llama's 13B. Heads have 128 features, as Llama's.
"""

from dataclasses import replace

from mmf_teach.model.config import ModelConfig

VOCAB = 32_000                               # pieces of words in the released models
NAMED = {"370M": (1024, 24), "1.3B": (2048, 24), "2.7B": (2560, 32), "13B": (5120, 40)}      # width, blocks
SHIPPED = (65, 128, 6)                       # vocabulary, width, blocks of the model that comes with the course
HEAD = 128                                   # features of a head of attention
SHARED = 4                                   # query heads to a key head, where they share


def sizes(name: str, kind: str) -> ModelConfig:
    """A model of this kind in a named size: all kinds of a size have the same width, blocks and inner width.

    ValueError for a size without a name.

    >>> sizes("2.7B", "transformer").inner
    6912
    """
    if name == "shipped":
        vocab, width, blocks = SHIPPED
        return ModelConfig(kind, vocab, width, blocks, heads=4)
    if name not in NAMED:
        raise ValueError(f"there is no size {name!r}; there are shipped, {', '.join(NAMED)}")
    width, blocks = NAMED[name]
    inner = ModelConfig("matmul_free_released", VOCAB, width, blocks).inner
    return ModelConfig(kind, VOCAB, width, blocks, heads=width // HEAD, inner_width=inner)


def with_shared_heads(config: ModelConfig) -> ModelConfig:
    """The same sizes with keys and values that SHARED heads of queries look at together."""
    return replace(config, kv_heads=max(1, config.heads // SHARED))
