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
    inner_width: int | None = None     # l, where it is not the one that follows from d
    epsilon: float = 1e-6  # ε of the norms between the layers, in the released code's form

    def __post_init__(self):
        for name in ("vocab", "width", "blocks", "heads", "inner_width"):
            size = getattr(self, name)
            if name == "inner_width" and size is None:
                continue
            if type(size) is not int or not 0 < size <= LARGEST:
                raise ValueError(f"{name} must be a whole number from 1 to {LARGEST}, not {size!r}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the {self.heads} heads")
        if type(self.epsilon) is not float or not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon must be a number between 0 and 1, not {self.epsilon!r}")
        if self.kind != "matmul_free_released" and self.epsilon != type(self).epsilon:
            raise ValueError(f"the norms of a {self.kind} have an epsilon of {type(self).epsilon}, not {self.epsilon}")

    @property
    def inner(self) -> int:
        """l, the width inside the channel mixer: 8d/3 rounded up, so that 3·d·l ≈ 8·d² weights."""
        if self.inner_width:
            return self.inner_width
        step = 256 if self.kind == "matmul_free_released" else 32     # the authors' code rounds to 256
        return step * ceil(8 * self.width / 3 / step)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for config.json, without what is as it mostly is."""
        usual = {"inner_width": None, "epsilon": type(self).epsilon}
        return {name: value for name, value in asdict(self).items() if name not in usual or value != usual[name]}

    @classmethod
    def from_json(cls, document: Any) -> "ModelConfig":
        """ValueError for a document that lacks a size or has one too many."""
        known = {field.name for field in fields(cls)}
        if not isinstance(document, dict) or not {"kind", "vocab", "width", "blocks"} <= document.keys() <= known:
            raise ValueError(f"a model's configuration has the entries {', '.join(sorted(known))} and no others")
        return cls(**document)
