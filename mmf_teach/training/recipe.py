"""A recipe: everything that decides what a training run yields, in one file.

Course    notebook 08, "Training with three values"
"""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


def _number(value: Any, below: float = float("inf")) -> bool:
    return type(value) in (int, float) and 0 <= value < below


RULES = {                                    # what an entry must be, by its name or else by its type
    "seed": ("a whole number from zero up", lambda value: type(value) is int and value >= 0),
    "dropout": ("a share from 0 to below 1", lambda value: _number(value, below=1.0)),
    str: ("a name", lambda value: type(value) is str and value != ""),
    int: ("a whole number above zero", lambda value: type(value) is int and value > 0),
    float: ("a number from zero up", _number),
    tuple[float, float]: (
        "two numbers from 0 to below 1",
        lambda value: type(value) is tuple and len(value) == 2 and all(_number(beta, below=1.0) for beta in value)),
}


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
            what, keeps = RULES.get(field.name) or RULES[field.type]
            if not keeps(value):
                raise ValueError(f"{field.name} must be {what}, not {value!r}")

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, to be stored with the model."""
        return asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Recipe":
        """ValueError names what is missing, too much or wrong."""
        known = {field.name for field in fields(cls)}
        missing, extra = known - document.keys(), document.keys() - known
        if missing or extra:
            said = {"lacks": missing, "has an unknown": extra}
            said = [f"{verb} {', '.join(sorted(names))}" for verb, names in said.items() if names]
            raise ValueError(f"the recipe {' and '.join(said)}")
        betas = document["betas"]            # TOML and JSON have lists only
        return cls(**document | {"betas": tuple(betas) if type(betas) is list else betas})

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """A recipe from a TOML file."""
        try:
            return cls.from_json(tomllib.loads(Path(path).read_text("utf-8")))
        except ValueError as problem:
            raise ValueError(f"{path}: {problem}") from None
