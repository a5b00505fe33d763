"""The update of training/step.py, sooner: cores share the batch; on a GPU it is recorded once and replayed.

Course    notebook 08, "Training with three values"

On a CPU each core takes a share of the batch, forwards and backwards, and the gradients are added up in a fixed order.
That keeps the cores busy through everything that is done row by row, which torch alone would do on one of them, and
lets torch and the compiled functions work in the same threads.
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from mmf_teach.engine.accelerate import exchange
from mmf_teach.hardware import cores, one_thread
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.training.step import Step, loss_of, set_rate, state_tensors

WARM_UPS = 3                                 # eager runs before a recording, as torch.cuda.graph asks
SMALLEST_SHARE = 1024                        # tokens: each core has to round all weights for itself
MALLOPT = {-1: 1 << 30, -3: 1 << 30, -8: 1}  # glibc: when to give memory back, when to map it apart, how many arenas


def make_step(model: LanguageModel, optimiser: AdamW, clip: float) -> Step:
    """The same function as training.step's, for a model whose layers are exchanged for faster ones (accelerate.py)."""
    exchange(model)
    return (_replayed if model.embedding.weight.device.type == "cuda" else _shared)(model, optimiser, clip)


def _shared(model: LanguageModel, optimiser: AdamW, clip: float) -> Step:
    pool = ThreadPoolExecutor(cores())
    keep_memory()

    def step(x: Tensor, y: Tensor, rate: float) -> Tensor:
        set_rate(optimiser, rate)
        optimiser.zero_grad()
        loss = _shared_gradient(model, pool, x, y)
        with one_thread():                   # torch's own threads would wait busily
            clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
        return loss.detach()

    return step


def _shared_gradient(model: LanguageModel, pool: ThreadPoolExecutor | None, x: Tensor, y: Tensor) -> Tensor:
    """The loss and, in the parameters, its gradient, from as many shares of the batch as torch has threads.

    Dropout draws its numbers in one thread only.
    """
    shares = min(torch.get_num_threads(), len(x), x.numel() // SMALLEST_SHARE)
    if shares < 2 or any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        loss = loss_of(model, x, y)
        loss.backward()
        return loss
    parameters = list(model.parameters())

    def of_share(x_part: Tensor, y_part: Tensor) -> tuple[Tensor, list[Tensor]]:
        loss = loss_of(model, x_part, y_part) * (len(x_part) / len(x))
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


def _replayed(model: LanguageModel, optimiser: AdamW, clip: float) -> Step:
    recording: dict[str, Tensor | torch.cuda.CUDAGraph] = {}
    for group in optimiser.param_groups:
        group["capturable"] = True

    def update(x: Tensor, y: Tensor) -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(model, x, y)
        loss.backward()
        clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        return loss.detach()

    def step(x: Tensor, y: Tensor, rate: float) -> Tensor:
        set_rate(optimiser, rate)
        if not recording:
            with _compiled_blocks(model):
                recording.update(_record(update, x, y, state_tensors(model, optimiser)))
        recording["x"].copy_(x, non_blocking=True)
        recording["y"].copy_(y, non_blocking=True)
        recording["graph"].replay()
        return recording["loss"].clone()

    return step


@contextlib.contextmanager
def _compiled_blocks(model: LanguageModel) -> Iterator[None]:
    """Inside the block torch fuses the elementwise work of the model's blocks; one compilation serves them all."""
    blocks = model.blocks
    model.blocks = nn.ModuleList(map(torch.compile, blocks))
    try:
        yield
    finally:
        model.blocks = blocks


def _record(update: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, state: dict[str, Tensor]) -> dict:
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
