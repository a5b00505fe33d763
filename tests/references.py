"""The three models once more, written by hand from their equations, to hold the library's against.

Plain functions of a model's weights by name and one text, one token after the other. Nothing of mmf_teach is used,
rounding is the textbook's fake quantisation, and gradients are whatever autograd makes of it.

Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3 and Algorithm 1; ridgerchu/matmulfreellm a016f72;
          Touvron et al. 2023, arXiv 2307.09288
"""

from math import cos, sin, sqrt

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def silu(x: Tensor) -> Tensor:
    return x * sigmoid(x)


def norm(x: Tensor, gain: Tensor | None) -> Tensor:
    """x / sqrt(mean(x²) + ε), times the gain where there is one."""
    y = x / torch.sqrt(x @ x / len(x) + 1e-6)
    return y if gain is None else y * gain


def straight_through(x: Tensor, rounded: Tensor) -> Tensor:
    """`rounded` forwards, the identity backwards."""
    return x + (rounded - x).detach()


def quantised_activation(x: Tensor) -> Tensor:
    """Algorithm 1: s = 127 / max|x|, clamp(round(s x), -128, 127) / s."""
    s = 127 / x.abs().max().clamp(min=1e-5)
    return straight_through(x, torch.clamp(torch.round(s * x), -128, 127) / s)


def quantised_weight(w: Tensor) -> Tensor:
    """Algorithm 1: s = 1 / mean|W|, clamp(round(s W), -1, 1) / s."""
    s = 1 / w.abs().mean().clamp(min=1e-5)
    return straight_through(w, torch.clamp(torch.round(s * w), -1, 1) / s)


def bit_linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A norm, the product of what both quantisers leave, and the bias where there is one."""
    x = inner_norm(x, weights.get(f"{name}.norm.gain"))
    y = quantised_weight(weights[f"{name}.weight"]) @ quantised_activation(x)
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def inner_norm(x: Tensor, gain: Tensor | None) -> Tensor:
    """The norm inside BitLinear."""
    return norm(x, gain)


def outer_norm(x: Tensor, gain: Tensor) -> Tensor:
    """The norm before a mixer or the head."""
    return norm(x, gain)


def remembered(f: Tensor, c: Tensor, h: Tensor) -> Tensor:
    """h ← f h + (1 - f) c."""
    return f * h + (1 - f) * c


def opened(g: Tensor, h: Tensor) -> Tensor:
    """The paper's output gate."""
    return sigmoid(g) * h


def opened_released(g: Tensor, h: Tensor, gain: Tensor) -> Tensor:
    """The released code's output gate: FusedRMSNormSwishGate(g, h)."""
    return norm(g, gain) * silu(h)


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """The middle of the channel mixer."""
    return silu(gate) * up


def added(x: Tensor, y: Tensor) -> Tensor:
    """What comes out of a mixer is added to what went in."""
    return x + y


def lower_bounds(bounds: Tensor) -> list[Tensor]:
    """Softmax over the blocks, added up block by block, less the first block's share."""
    shares = bounds.exp() / bounds.exp().sum(dim=0)
    return [sum(shares[: n + 1]) - shares[0] for n in range(len(bounds))]


def bounded(open_gate: Tensor, bound: Tensor) -> Tensor:
    """A forget gate that never falls below its bound."""
    return bound + (1 - bound) * open_gate


def gate_and_up(weights: Weights, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """One product for both, so that they share one scale."""
    both = bit_linear(weights, name, x)
    return both[: len(both) // 2], both[len(both) // 2 :]


def count_blocks(weights: Weights) -> int:
    return 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))


def matmul_free(weights: Weights, tokens: list[int]) -> Tensor:
    """The paper's form: logits `t v` of one text."""
    blocks = count_blocks(weights)
    memory, logits = [torch.zeros_like(weights["embedding.weight"][0])] * blocks, []
    for token in tokens:
        x = weights["embedding.weight"][token]
        for n in range(blocks):
            mixer, channel = f"blocks.{n}.token_mixer", f"blocks.{n}.channel_mixer"
            f = sigmoid(bit_linear(weights, f"{mixer}.to_f", x))
            c = silu(bit_linear(weights, f"{mixer}.to_c", x))
            memory[n] = remembered(f, c, memory[n])
            g = bit_linear(weights, f"{mixer}.to_g", x)
            x = added(x, bit_linear(weights, f"{mixer}.to_o", opened(g, memory[n])))
            gate, up = bit_linear(weights, f"{channel}.to_gate", x), bit_linear(weights, f"{channel}.to_up", x)
            x = added(x, bit_linear(weights, f"{channel}.to_down", gated(gate, up)))
        logits.append(bit_linear(weights, "head", x))
    return torch.stack(logits)


def matmul_free_released(weights: Weights, tokens: list[int]) -> Tensor:
    """The released code's form: logits `t v` of one text."""
    blocks = count_blocks(weights)
    memory, logits = [torch.zeros_like(weights["embedding.weight"][0])] * blocks, []
    bounds = lower_bounds(weights["bounds"])
    for token in tokens:
        x = weights["embedding.weight"][token]
        for n in range(blocks):
            mixer, channel = f"blocks.{n}.token_mixer", f"blocks.{n}.channel_mixer"
            y = outer_norm(x, weights[f"blocks.{n}.token_norm.gain"])
            f = bounded(sigmoid(bit_linear(weights, f"{mixer}.to_f", y)), bounds[n])
            i = silu(bit_linear(weights, f"{mixer}.to_i", y))
            memory[n] = remembered(f, i, memory[n])
            g = bit_linear(weights, f"{mixer}.to_g", y)
            shown = opened_released(g, memory[n], weights[f"{mixer}.gate_norm.gain"])
            x = added(x, bit_linear(weights, f"{mixer}.to_o", shown))
            y = outer_norm(x, weights[f"blocks.{n}.channel_norm.gain"])
            gate, up = gate_and_up(weights, f"{channel}.to_gate_and_up", y)
            x = added(x, bit_linear(weights, f"{channel}.to_down", gated(gate, up)))
        logits.append(bit_linear(weights, "head.1", outer_norm(x, weights["head.0.gain"])))
    return torch.stack(logits)


def pair(i: int, head: int) -> tuple[int, int]:
    """The two features of a head that make up its i-th point in the plane."""
    return i, i + head // 2


def angle(position: int, i: int, head: int) -> float:
    """How far the i-th point is turned: RoPE, with base 10000."""
    return position * 10_000 ** (-2 * i / head)


def turned(x: Tensor, position: int) -> Tensor:
    """The features of one head with each pair turned as a point of the plane."""
    y = [*x]
    for i in range(len(x) // 2):
        left, right = pair(i, len(x))
        turn = angle(position, i, len(x))
        y[left] = x[left] * cos(turn) - x[right] * sin(turn)
        y[right] = x[left] * sin(turn) + x[right] * cos(turn)
    return torch.stack(y)


def seen(t: int) -> range:
    """The positions that the token at `t` looks at."""
    return range(0, t + 1)


def score(q: Tensor, k: Tensor, width: int) -> Tensor:
    """How much a query asks for a key."""
    return q @ k / sqrt(len(q))


def features_of(h: int, heads: int, width: int) -> list[int]:
    """The features that belong to head `h`."""
    return list(range(h * width // heads, (h + 1) * width // heads))


def attention(weights: Weights, mixer: str, x: list[Tensor], heads: int) -> list[Tensor]:
    """For each token the average of all values so far, by softmax of the scores; head by head."""
    width = len(x[0])
    outputs = [torch.zeros_like(y) for y in x]
    for h in range(heads):
        own = features_of(h, heads, width)
        q, k, v = ([(weights[f"{mixer}.to_{name}.weight"] @ y)[own] for y in x] for name in "qkv")
        q, k = ([turned(y, t) for t, y in enumerate(ys)] for ys in (q, k))
        for t in range(len(x)):
            scores = {at: score(q[t], k[at], width) for at in seen(t) if at < len(x)}
            largest = max(scores.values())   # taken off all, so that none overflows
            odds = {at: torch.exp(scores[at] - largest) for at in scores}
            average = sum(odds[at] * v[at] for at in odds) / sum(odds.values())
            outputs[t] = outputs[t].index_add(0, torch.tensor(own), average)
    return [weights[f"{mixer}.to_o.weight"] @ y for y in outputs]


def transformer(weights: Weights, tokens: list[int], heads: int) -> Tensor:
    """Transformer++: logits `t v` of one text."""
    x = [weights["embedding.weight"][token] for token in tokens]
    for n in range(count_blocks(weights)):
        channel = f"blocks.{n}.channel_mixer"
        normed = [outer_norm(y, weights[f"blocks.{n}.token_norm.gain"]) for y in x]
        mixed = attention(weights, f"blocks.{n}.token_mixer", normed, heads)
        x = [added(y, z) for y, z in zip(x, mixed, strict=True)]
        for t, y in enumerate(x):
            normed = outer_norm(y, weights[f"blocks.{n}.channel_norm.gain"])
            gate, up = weights[f"{channel}.to_gate.weight"] @ normed, weights[f"{channel}.to_up.weight"] @ normed
            x[t] = added(y, weights[f"{channel}.to_down.weight"] @ gated(gate, up))
    return torch.stack([weights["head.1.weight"] @ outer_norm(y, weights["head.0.gain"]) for y in x])
