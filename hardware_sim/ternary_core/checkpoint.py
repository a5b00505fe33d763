"""A stored model as whole numbers, read from config.json and weights.safetensors with NumPy alone.

Course    notebook 13, "The model on the machine"
Format    mmf_teach/model/checkpoint.py: five trits a byte (ternary/packing.py), scales in float32, the rest in float16
"""

import json
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int8, Int64
from numpy import ndarray
from safetensors.numpy import load_file

from hardware_sim.ternary_core.layout import HEAD, MAPS, require_form, shape_of
from hardware_sim.ternary_core.model import ModelSizes
from mmf_teach.ternary import fixed_point as fp
from mmf_teach.ternary.packing import unpack_base3

CHANNEL_MIXER = ("to_gate", "to_up", "to_down")              # the other maps are the token mixer's


class StoredLinear(NamedTuple):
    trits: Int8[ndarray, "out in"]
    scale: int
    bias: Int64[ndarray, "out"]


StoredBlock = namedtuple("StoredBlock", MAPS)


class StoredModel(NamedTuple):
    embedding: Int64[ndarray, "v d"]
    blocks: list[StoredBlock]
    head: StoredLinear


def read_model(folder: Path) -> StoredModel:
    """The whole numbers of a model. ValueError for one of another form than the paper's."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    require_form(config["kind"])
    stored = load_file(folder / "weights.safetensors")
    vocab, width = stored["embedding.weight"].shape
    inner = 5 * len(stored["blocks.0.channel_mixer.to_gate.packed"]) // width    # all trits but the last byte's filling
    sizes = ModelSizes(vocab, width, inner, config["blocks"])
    blocks = [
        StoredBlock(*(_linear(stored, f"blocks.{number}.{_mixer(own)}.{own}", shape_of(own, sizes)) for own in MAPS))
        for number in range(sizes.blocks)
    ]
    embedding = fp.to_fixed(stored["embedding.weight"], fp.ACTIVATION)
    return StoredModel(embedding, blocks, _linear(stored, HEAD, shape_of(HEAD, sizes)))


def _mixer(own: str) -> str:
    return "channel_mixer" if own in CHANNEL_MIXER else "token_mixer"


def _linear(stored: Mapping[str, ndarray], name: str, shape: tuple[int, int]) -> StoredLinear:
    trits = unpack_base3(stored[f"{name}.packed"], shape[0] * shape[1]).reshape(shape)
    scale = int(fp.to_fixed(stored[f"{name}.scale"], fp.SCALE))
    return StoredLinear(trits, scale, fp.to_fixed(stored.get(f"{name}.bias", np.zeros(shape[0])), fp.ACTIVATION))
