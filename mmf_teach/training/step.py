"""One update of the weights: loss, gradient, AdamW; on a GPU recorded once and replayed.

Course    notebook 08, "Training with three values"
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from mmf_teach.model.language_model import LanguageModel
from mmf_teach.training.recipe import Recipe

WARM_UPS = 3                                 # eager runs before a recording, as torch.cuda.graph asks


def make_optimiser(model: LanguageModel, recipe: Recipe) -> AdamW:
    """AdamW that shrinks matrices but neither biases nor gains, with its memory laid out from the start."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    device = matrices[0].device
    optimiser = AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=torch.zeros((), device=device), betas=recipe.betas, fused=True, capturable=device.type == "cuda",
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


def make_step(model: LanguageModel, optimiser: AdamW, clip: float) -> Callable[[Tensor, Tensor, float], Tensor]:
    """A function (inputs, targets, rate) -> loss that updates the model in place."""

    def update(x: Tensor, y: Tensor) -> Tensor:
        optimiser.zero_grad()
        logits, _ = model(x)
        loss = cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        return loss.detach()

    def set_rate(rate: float) -> None:
        for group in optimiser.param_groups:
            group["lr"].fill_(rate)

    def eager(x: Tensor, y: Tensor, rate: float) -> Tensor:
        set_rate(rate)
        return update(x, y)

    if model.embedding.weight.device.type != "cuda":
        return eager

    recording: dict[str, Tensor | torch.cuda.CUDAGraph] = {}

    def replayed(x: Tensor, y: Tensor, rate: float) -> Tensor:
        set_rate(rate)
        if not recording:
            recording.update(_record(update, x, y, state_tensors(model, optimiser)))
        recording["x"].copy_(x, non_blocking=True)
        recording["y"].copy_(y, non_blocking=True)
        recording["graph"].replay()
        return recording["loss"].clone()

    for block in model.blocks:
        block.compile()                      # fuses the elementwise work; one compilation serves all blocks
    return replayed


def _record(update, x: Tensor, y: Tensor, state: dict[str, Tensor]) -> dict:
    """Run `update` a few times, record it as a CUDA graph, and put back everything the runs changed."""
    before = {name: tensor.clone() for name, tensor in state.items()}
    x, y = x.clone(), y.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            update(x, y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = update(x, y)
    for name, tensor in state.items():
        tensor.copy_(before[name])
    return {"graph": graph, "x": x, "y": y, "loss": loss}
