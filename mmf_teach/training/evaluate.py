"""The loss of a model on a text, in nats a character: how surprised it is by each next one.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Callable

import torch
from jaxtyping import Int64
from numpy import ndarray
from torch.nn.functional import cross_entropy

from mmf_teach.model.language_model import LanguageModel

WINDOW = 256                                 # tokens the model reads before it starts afresh


@torch.no_grad()
def loss_nats(
    model: LanguageModel, tokens: Int64[ndarray, "characters"], window: int = WINDOW, batch: int = 64,
    report: Callable[[int], None] = lambda done: None,
) -> float:
    """Mean surprise over every character but the first, reading in windows that each start with no memory.

    A complete, deterministic pass: window after window, the short last one included. `report(characters read)`
    is called after each batch. ValueError for a text of fewer than two characters: nothing can be predicted.
    """
    if len(tokens) < 2:
        raise ValueError("the text must hold at least two characters, so that one can be predicted from another")
    was_training = model.training
    model.eval()
    text = torch.from_numpy(tokens)
    inputs, targets = text[:-1], text[1:]
    whole = len(inputs) // window * window
    windows, answers = inputs[:whole].view(-1, window), targets[:whole].view(-1, window)
    parts = list(zip(windows.split(batch), answers.split(batch), strict=True)) if whole else []
    if whole < len(inputs):
        parts.append((inputs[None, whole:], targets[None, whole:]))
    device = model.embedding.weight.device
    total, done = 0.0, 0
    for x, y in parts:
        logits, _ = model(x.to(device))
        total += cross_entropy(logits.flatten(0, 1), y.to(device).flatten(), reduction="sum").double().item()
        done += x.numel()
        report(done)
    model.train(was_training)
    return total / len(inputs)
