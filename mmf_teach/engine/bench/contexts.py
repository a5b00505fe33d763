"""How long one more token takes after a context, for a model whose memory grows and for one whose does not.

Course    notebook 09, "Long contexts"
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mmf_teach.engine.bench.clock import take_turns
from mmf_teach.engine.bench.rows import TorchThreads
from mmf_teach.model.language_model import LanguageModel

SAMPLES, SECONDS = 15, 0.5


def remembered_bytes(state: Any) -> int:
    """Bytes that a model's state takes, whatever it is made of."""
    return state.nbytes if isinstance(state, Tensor) else sum(map(remembered_bytes, state))


def grown(state: Any, context: int) -> Any:
    """A state as if so many tokens had been read: a cache is filled with numbers at random, a state keeps its size."""
    if not isinstance(state, Tensor):
        return type(state)(grown(part, context) for part in state)
    shape = list(state.shape)
    if 0 in shape:
        shape[shape.index(0)] = context
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def step_us(models: dict[str, LanguageModel], contexts: list[int]) -> Iterator[tuple[int, dict[str, float]]]:
    """For each context the microseconds that each model takes for one more token, on one thread."""
    token = torch.zeros(1, dtype=torch.int64)
    with TorchThreads(1), torch.no_grad():
        for context in contexts:
            states = {name: grown(model.initial_state(1), context) for name, model in models.items()}
            works = {
                name: lambda _, model=model, state=states[name]: model.step(token, state)
                for name, model in models.items()
            }
            times = take_turns(works, SAMPLES, SECONDS)
            yield context, {name: time.median_us for name, time in times.items()}
