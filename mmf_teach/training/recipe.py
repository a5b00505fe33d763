"""A recipe: everything that decides what a training run yields, in one file.

Course    notebook 08, "Training with three values"
"""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Recipe:
    corpus: str              # which text: a key of training.corpus.CORPORA
    kind: str                # which model: a key of model.build.MODELS
    width: int               # d, features per token
    blocks: int              # n, pairs of mixers
    heads: int               # of attention; the MatMul-free model has none and takes 1
    steps: int               # updates of the weights
    batch: int               # windows an update
    window: int              # tokens a window
    learning_rate: float     # at its peak
    warmup: int              # steps until the peak
    betas: tuple[float, float]   # AdamW's memory of gradients and of their squares
    weight_decay: float      # on matrices; not on biases and gains
    dropout: float           # share of features silenced while training
    clip: float              # longest gradient
    seed: int
    evaluations: int         # points of the curve at which the held-out text is read

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.type is int
            if field.name != "seed" and whole and not (type(value) is int and value > 0):
                raise ValueError(f"{field.name} must be a whole number above zero, not {value!r}")
            if field.type is float and not (type(value) in (int, float) and 0 <= value < float("inf")):
                raise ValueError(f"{field.name} must be a number from zero up, not {value!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1, not {self.dropout}")

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, to be stored with the model."""
        return asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Recipe":
        """ValueError names what is missing or too much."""
        known = {field.name for field in fields(cls)}
        missing, extra = known - document.keys(), document.keys() - known
        if missing or extra:
            said = {"lacks": missing, "has an unknown": extra}
            said = [f"{verb} {', '.join(sorted(names))}" for verb, names in said.items() if names]
            raise ValueError(f"the recipe {' and '.join(said)}")
        return cls(**document | {"betas": tuple(document["betas"])})

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """A recipe from a TOML file."""
        try:
            return cls.from_json(tomllib.loads(Path(path).read_text("utf-8")))
        except (ValueError, TypeError) as problem:
            raise ValueError(f"{path}: {problem}") from None
