"""Text out: draw the next token from the model's scores, feed it back, keep the state.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray

from mmf_teach.model.language_model import LanguageModel


@torch.no_grad()
def generate(
    model: LanguageModel, prompt: Int64[ndarray, "characters"], tokens: int, temperature: float = 0.8, seed: int = 0,
) -> Iterator[int]:
    """Read the prompt, then yield `tokens` tokens one by one, each drawn after all before it.

    Temperature 0 takes the likeliest token; 1 draws by the model's own odds. ValueError for an empty prompt or
    a negative number.
    """
    if not len(prompt):
        raise ValueError("the prompt must hold at least one character for the model to go on from")
    if tokens < 0 or not 0 <= temperature < float("inf"):
        raise ValueError(f"tokens ({tokens}) and temperature ({temperature}) must be numbers from zero up")
    rng = np.random.default_rng(seed)
    logits, state = model(torch.from_numpy(prompt)[None])
    scores = logits[:, -1]
    for _ in range(tokens):
        token = draw(scores[0].numpy(), temperature, rng)
        yield token
        scores, state = model.step(torch.tensor([token]), state)


def draw(scores: Float[ndarray, "v"], temperature: float, rng: np.random.Generator) -> int:
    """One token, drawn with odds exp(score / temperature)."""
    if temperature == 0:
        return int(scores.argmax())
    odds = np.exp((scores - scores.max()).astype(np.float64) / temperature)
    return int(np.searchsorted(np.cumsum(odds), rng.random() * odds.sum(), side="right"))
