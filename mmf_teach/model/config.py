"""The sizes of a model. Everything else about its shape follows from them.

Course    notebook 07, "A whole language model"
"""

from dataclasses import asdict, dataclass, fields
from math import ceil
from typing import Any

LARGEST = 1 << 20                            # a size above this is a damaged file, not a model


@dataclass(frozen=True)
class ModelConfig:
    kind: str              # which model: a key of model.build.MODELS
    vocab: int             # v, distinct tokens
    width: int             # d, features per token
    blocks: int            # n, pairs of token mixer and channel mixer
    heads: int = 1         # of attention, where there is any

    def __post_init__(self):
        for name in ("vocab", "width", "blocks", "heads"):
            size = getattr(self, name)
            if type(size) is not int or not 0 < size <= LARGEST:
                raise ValueError(f"{name} must be a whole number from 1 to {LARGEST}, not {size!r}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the {self.heads} heads")

    @property
    def inner(self) -> int:
        """l, the width inside the channel mixer: 8d/3 rounded up, so that 3·d·l ≈ 8·d² weights."""
        step = 256 if self.kind == "matmul_free_released" else 32     # the authors' code rounds to 256
        return step * ceil(8 * self.width / 3 / step)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for config.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "ModelConfig":
        """ValueError for a document that lacks a size or has one too many."""
        known = {field.name for field in fields(cls)}
        if not isinstance(document, dict) or not {"kind", "vocab", "width", "blocks"} <= document.keys() <= known:
            raise ValueError(f"a model's configuration has the entries {', '.join(sorted(known))} and no others")
        return cls(**document)
