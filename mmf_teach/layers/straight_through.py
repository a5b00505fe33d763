"""Straight through: forwards the rounded value, backwards as if nothing had been rounded.

Course    notebook 03, "From floats to trits"
Source    Bengio et al. 2013, arXiv 1308.3432

The true gradient of rounding is 0 nearly everywhere, and nothing would ever be learnt through it. `bit_linear` has
the same rule written out for a whole product.
"""

import torch
from jaxtyping import Float
from torch import Tensor


class StraightThrough(torch.autograd.Function):
    """Its backward is what makes the lie: the gradient of what comes out is handed on to what went in, unchanged."""

    @staticmethod
    def forward(ctx, x, rounded):
        return rounded.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy, None


def straight_through(x: Float[Tensor, "*b"], rounded: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """The value of `rounded`, with the gradient of `x`.

    >>> x = torch.tensor([0.4, 2.6], requires_grad=True)
    >>> y = straight_through(x, x.round())
    >>> (3 * y).sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([0.0, 3.0], [3.0, 3.0])
    """
    return StraightThrough.apply(x, rounded)
