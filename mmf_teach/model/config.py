"""The sizes of a model. Everything else about its shape follows from them.

Course    notebook 07, "A whole language model"
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

LARGEST = 1 << 20                            # a size above this is a damaged file, not a model
SPECIAL = {                                  # sizes that only these kinds of model have
    "kv_heads": ("transformer", "bitnet", "binary_bitnet", "hybrid"),
    "reach": ("hybrid",),
    "state": ("mamba",),
    "epsilon": ("matmul_free_released",),
}


def inner_width(width: int, step: int) -> int:
    """l, the smallest multiple of `step` with 3·d·l at least 8·d²: the width inside the channel mixer.

    >>> inner_width(128, 32), inner_width(1024, 256)
    (352, 2816)
    """
    return step * -(-8 * width // (3 * step))


@dataclass(frozen=True)
class ModelConfig:
    kind: str              # which model: a key of model.build.MODELS
    vocab: int             # v, distinct tokens
    width: int             # d, features per token
    blocks: int            # n, pairs of token mixer and channel mixer
    heads: int = 1         # of attention, where there is any
    inner_width: int | None = None     # l, where it is not the one that follows from d
    epsilon: float = 1e-6  # ε of the norms between the layers, in the released code's form
    kv_heads: int | None = None        # heads of keys and values, where several heads of queries share them
    reach: int = 64        # tokens that local attention looks back over, the last one among them
    state: int = 16        # memories a feature of Mamba has

    def __post_init__(self):
        for name in ("vocab", "width", "blocks", "heads", "inner_width", "kv_heads", "reach", "state"):
            size = getattr(self, name)
            if name in ("inner_width", "kv_heads") and size is None:
                continue
            if type(size) is not int or not 0 < size <= LARGEST:
                raise ValueError(f"{name} must be a whole number from 1 to {LARGEST}, not {size!r}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the {self.heads} heads")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"the {self.heads} heads cannot share {self.kv_heads} kv_heads evenly")
        if type(self.epsilon) is not float or not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon must be a number between 0 and 1, not {self.epsilon!r}")
        for name, kinds in SPECIAL.items():
            usual = getattr(type(self), name)
            if self.kind not in kinds and getattr(self, name) != usual:
                raise ValueError(f"the {name} of a {self.kind} is always {usual}, not {getattr(self, name)}")

    @property
    def inner(self) -> int:
        """l, the width inside the channel mixer: 8d/3 rounded up, so that 3·d·l ≈ 8·d² weights."""
        if self.inner_width:
            return self.inner_width
        return inner_width(self.width, 256 if self.kind == "matmul_free_released" else 32)    # theirs rounds to 256

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for config.json, without what is as it mostly is."""
        usual = {name: getattr(type(self), name) for name in ("inner_width", *SPECIAL)}
        return {name: value for name, value in asdict(self).items() if name not in usual or value != usual[name]}

    @classmethod
    def from_json(cls, document: Any) -> "ModelConfig":
        """ValueError for a document that lacks a size or has one too many."""
        known = {field.name for field in fields(cls)}
        if not isinstance(document, dict) or not {"kind", "vocab", "width", "blocks"} <= document.keys() <= known:
            raise ValueError(f"a model's configuration has the entries {', '.join(sorted(known))} and no others")
        return cls(**document)
