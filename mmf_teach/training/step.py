"""One update of the weights: loss, gradient, AdamW; on a GPU recorded once and replayed.

Course    notebook 08, "Training with three values"

On a CPU each core takes a share of the batch, forwards and backwards, and the gradients are added up in a fixed order.
That keeps the cores busy through everything that is done row by row, which torch alone would do on one of them, and
lets torch and the compiled functions work in the same threads.
"""

import contextlib
import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from mmf_teach.hardware import cores, one_thread
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.training.recipe import Recipe

WARM_UPS = 3                                 # eager runs before a recording, as torch.cuda.graph asks
WORTH_SHARING = 1024                         # tokens a share: each core has to round all weights for itself
MALLOPT = {-1: 1 << 30, -3: 1 << 30, -8: 1}  # glibc: when to give memory back, when to map it apart, how many arenas


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
    on_gpu = model.embedding.weight.device.type == "cuda"
    gradient = partial(_gradient, model) if on_gpu else partial(_shared_gradient, model, ThreadPoolExecutor(cores()))

    def update(x: Tensor, y: Tensor) -> Tensor:
        optimiser.zero_grad()
        loss = gradient(x, y)
        with contextlib.nullcontext() if on_gpu else one_thread():       # its own threads would wait busily
            clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
        return loss.detach()

    def set_rate(rate: float) -> None:
        for group in optimiser.param_groups:
            group["lr"].fill_(rate)

    def eager(x: Tensor, y: Tensor, rate: float) -> Tensor:
        set_rate(rate)
        return update(x, y)

    if not on_gpu:
        keep_memory()
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


def _loss(model: LanguageModel, x: Tensor, y: Tensor) -> Tensor:
    logits, _ = model(x)
    return cross_entropy(logits.flatten(0, 1), y.flatten())


def _gradient(model: LanguageModel, x: Tensor, y: Tensor) -> Tensor:
    loss = _loss(model, x, y)
    loss.backward()
    return loss


def _shared_gradient(model: LanguageModel, pool: ThreadPoolExecutor, x: Tensor, y: Tensor) -> Tensor:
    """The same with as many shares of the batch as torch has threads; dropout draws its numbers in one thread only."""
    shares = min(torch.get_num_threads(), len(x), x.numel() // WORTH_SHARING)
    if shares < 2 or any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        return _gradient(model, x, y)
    parameters = list(model.parameters())

    def of_share(x_part: Tensor, y_part: Tensor) -> tuple[Tensor, list[Tensor]]:
        loss = _loss(model, x_part, y_part) * (len(x_part) / len(x))
        return loss.detach(), list(torch.autograd.grad(loss, parameters))

    with one_thread():
        (loss, gradients), *others = pool.map(of_share, x.tensor_split(shares), y.tensor_split(shares))
    for more_loss, more in others:
        loss += more_loss
        torch._foreach_add_(gradients, more)
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    return loss


def keep_memory() -> None:
    """Let this process keep the memory that it frees: to get it back costs a fifth of a training step."""
    with contextlib.suppress(OSError, TypeError, AttributeError):         # not Linux, or not glibc
        for option, value in MALLOPT.items():
            ctypes.CDLL(None).mallopt(option, value)


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
