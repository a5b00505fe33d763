"""Two matrices that tell digits apart. What a matrix does to its input is a parameter: dense, ternary, or worse.

Course    notebook 03, "From floats to trits"

In float64, so that another order of summation moves a result by 1e-16 and not by enough to round it otherwise:
the same accuracies come out on every machine.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from mmf_teach.hardware import one_thread

HIDDEN = 64
BATCH = 100
LEARNING_RATE = 3e-3
Product = Callable[[Tensor, Tensor], Tensor]             # inputs [b, in] and weights [out, in] -> [b, out]
Weights = list[Tensor]


def new_weights(pixels: int, classes: int = 10, seed: int = 0) -> Weights:
    """Two matrices with small random numbers."""
    dice = torch.Generator().manual_seed(seed)
    shapes = [(HIDDEN, pixels), (classes, HIDDEN)]
    return [torch.randn(*shape, generator=dice, dtype=torch.float64) / shape[1] ** 0.5 for shape in shapes]


def scores(pictures: Float[Tensor, "b pixels"], weights: Weights, product: Product) -> Float[Tensor, "b classes"]:
    """One number for each digit: norm, first matrix, relu, norm, second matrix."""
    hidden = relu(product(_normed(pictures), weights[0]))
    return product(_normed(hidden), weights[1])


@one_thread()
def fit(
    pictures: Float[ndarray, "n pixels"], labels: Int[ndarray, "n"], product: Product, steps: int = 500, seed: int = 0,
) -> Weights:
    """The weights after `steps` steps of Adam from a fixed beginning; `product` decides what gradient goes through."""
    x, y = torch.from_numpy(pictures), torch.from_numpy(labels)
    weights = [w.requires_grad_() for w in new_weights(x.shape[1], seed=seed)]
    optimiser = torch.optim.Adam(weights, lr=LEARNING_RATE)
    dice = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(x), (BATCH,), generator=dice)
        optimiser.zero_grad()
        cross_entropy(scores(x[batch], weights, product), y[batch]).backward()
        optimiser.step()
    return [w.detach() for w in weights]


@torch.no_grad()
def accuracy(
    pictures: Float[ndarray, "n pixels"], labels: Int[ndarray, "n"], weights: Weights, product: Product,
) -> float:
    """Share of the pictures whose digit has the highest score."""
    guesses = scores(torch.from_numpy(pictures), weights, product).argmax(dim=-1)
    return (guesses == torch.from_numpy(labels)).double().mean().item()


def _normed(x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-6)
