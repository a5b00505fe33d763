"""What goes on inside a block while a model reads a text: gates, candidates and memories, letter by letter.

Course    notebook 05, "Memory without attention"; its channels, notebook 06

For models in the paper's form, whose token mixer is an MLGRU and whose channel mixer a GLU.
"""

import torch
from jaxtyping import Float, Int64
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import silu

from mmf_teach.layers.glu import GLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.mlgru_scan import mlgru_scan
from mmf_teach.model.language_model import LanguageModel

Trace = dict[str, Float[ndarray, "t _"]]     # a quantity by its name: a row a letter, a column a feature or channel


@torch.no_grad()
def stream(model: LanguageModel, tokens: Int64[ndarray, "t"]) -> list[Float[Tensor, "1 t d"]]:
    """What flows between the mixers: the embeddings, then the sum after each token mixer and each channel mixer."""
    x = model.embedding(torch.from_numpy(tokens)[None])
    flows = [x]
    for block, state in zip(model.blocks, model.initial_state(1), strict=True):
        x = x + block.token_mixer(block.token_norm(x), state)[0]
        flows.append(x)
        x = x + block.channel_mixer(block.channel_norm(x))
        flows.append(x)
    return flows


@torch.no_grad()
def token_mixer_trace(model: LanguageModel, tokens: Int64[ndarray, "t"], block: int) -> Trace:
    """Gates, candidate and memory of one block's MLGRU. ValueError for another token mixer."""
    mixer = model.blocks[block].token_mixer
    if not isinstance(mixer, MLGRU):
        raise ValueError(f"only an MLGRU has these gates, not a {type(mixer).__name__}")
    x = stream(model, tokens)[2 * block]
    f, c, g = torch.sigmoid(mixer.to_f(x)), silu(mixer.to_c(x)), torch.sigmoid(mixer.to_g(x))
    memory = mlgru_scan(f, c, mixer.initial_state(1))
    return _named(**{"memory h": memory, "forget gate f": f, "candidate c": c, "output gate g": g})


@torch.no_grad()
def channel_mixer_trace(model: LanguageModel, tokens: Int64[ndarray, "t"], block: int) -> Trace:
    """Gate, content and their product in one block's GLU. ValueError for another channel mixer."""
    mixer = model.blocks[block].channel_mixer
    if not isinstance(mixer, GLU):
        raise ValueError(f"only a GLU has these channels, not a {type(mixer).__name__}")
    x = stream(model, tokens)[2 * block + 1]
    gate, up = silu(mixer.to_gate(x)), mixer.to_up(x)
    return _named(**{"gate silu(g)": gate, "content u": up, "product": gate * up})


def _named(**tensors: Float[Tensor, "1 t _"]) -> Trace:
    return {name: tensor[0].numpy() for name, tensor in tensors.items()}
