"""The loss of a model on a text, in nats a character: how surprised it is by each next one.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Callable

import torch
from jaxtyping import Int64
from numpy import ndarray
from torch.nn.functional import cross_entropy

from mmf_teach.model.language_model import LanguageModel
from mmf_teach.shapes import Logits, Tokens

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
    was_training, device = model.training, model.embedding.weight.device
    model.eval()
    loss = mean_surprise(lambda x: model(x.to(device))[0], tokens, window, batch, report)
    model.train(was_training)
    return loss


def mean_surprise(
    scores: Callable[[Tokens], Logits], tokens: Int64[ndarray, "characters"], window: int, batch: int,
    report: Callable[[int], None] = lambda done: None,
) -> float:
    """The same for anything that gives a score for every token which may come next, after each token of a batch."""
    if len(tokens) < 2:
        raise ValueError("the text must hold at least two characters, so that one can be predicted from another")
    text = torch.from_numpy(tokens)
    inputs, targets = text[:-1], text[1:]
    whole = len(inputs) // window * window
    windows, answers = inputs[:whole].view(-1, window), targets[:whole].view(-1, window)
    parts = list(zip(windows.split(batch), answers.split(batch), strict=True)) if whole else []
    if whole < len(inputs):
        parts.append((inputs[None, whole:], targets[None, whole:]))
    total, done = 0.0, 0
    for x, y in parts:
        logits = scores(x)
        total += cross_entropy(logits.flatten(0, 1), y.to(logits.device).flatten(), reduction="sum").double().item()
        done += x.numel()
        report(done)
    return total / len(inputs)
