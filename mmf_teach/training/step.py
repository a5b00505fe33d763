"""One update of the weights: loss, gradient, AdamW.

Course    notebook 08, "Training with three values"
Equation  g = ∂loss/∂w, shortened to `clip` where it is longer;  w ← AdamW(w, g, rate)
Source    Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2; Pascanu et al. 2013, arXiv 1211.5063 (clipping)
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from mmf_teach.model.language_model import LanguageModel
from mmf_teach.shapes import Tokens
from mmf_teach.training.recipe import Recipe

Step = Callable[[Tokens, Tokens, float], Float[Tensor, ""]]              # inputs, targets, rate -> loss
MakeStep = Callable[[LanguageModel, AdamW, float], Step]                 # `make_step`, or another that does the same


def make_optimiser(model: LanguageModel, recipe: Recipe) -> AdamW:
    """AdamW that shrinks matrices but neither biases nor gains, with its memory laid out from the start."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    device = matrices[0].device
    optimiser = AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=torch.zeros((), device=device), betas=recipe.betas, fused=True,
    )
    for p in matrices + vectors:
        optimiser.state[p] = {
            "step": torch.zeros((), device=device), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p),
        }
    return optimiser


def state_tensors(model: LanguageModel, optimiser: AdamW) -> dict[str, Tensor]:
    """Everything that an update changes, by name: weights and AdamW's memory."""
    tensors = {}
    for name, p in model.named_parameters():
        tensors[f"weight/{name}"] = p.data
        tensors |= {f"{key}/{name}": value for key, value in optimiser.state[p].items()}
    return tensors


def set_rate(optimiser: AdamW, rate: float) -> None:
    """The learning rate of the next update."""
    for group in optimiser.param_groups:
        group["lr"].fill_(rate)


def loss_of(model: LanguageModel, x: Tokens, y: Tokens) -> Float[Tensor, ""]:
    """Mean surprise over all tokens, in nats."""
    logits, _ = model(x)
    return cross_entropy(logits.flatten(0, 1), y.flatten())


def make_step(model: LanguageModel, optimiser: AdamW, clip: float) -> Step:
    """A function (inputs, targets, rate) -> loss that updates the model in place."""
    def step(x: Tokens, y: Tokens, rate: float) -> Float[Tensor, ""]:
        set_rate(optimiser, rate)
        optimiser.zero_grad()
        loss = loss_of(model, x, y)
        loss.backward()
        clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        return loss.detach()

    return step
