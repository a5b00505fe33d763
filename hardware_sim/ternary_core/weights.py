"""A trained model in the machine's memory: trits in tiles, biases and embeddings as whole numbers, memories empty.

Course    notebook 13, "The model on the machine"
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from hardware_sim.ternary_core.image import empty
from hardware_sim.ternary_core.layout import BIASED, HEAD, MAPS, Layout
from hardware_sim.ternary_core.lowering import Lowered, lower
from hardware_sim.ternary_core.lowering_reference import tiles_of
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.model import Linear, Model, sizes_of
from hardware_sim.ternary_core.units import load_store, tmatmul


def lower_model(model: Model, machine: Machine) -> tuple[Lowered, UInt8[ndarray, "bytes"]]:
    """The program of a trained model, and the memory on which it begins.

    ValueError for a model too large for the machine's address space.
    """
    maps = dict(maps_of(model))
    biased = BIASED | {name.rpartition(".")[2] for name, one in maps.items() if one.bias.any()}
    lowered = lower(sizes_of(model), machine, lambda name: maps[name].scale, biased)
    return lowered, memory_of(model, lowered.layout)


def memory_of(model: Model, layout: Layout) -> UInt8[ndarray, "bytes"]:
    """Every constant in its place, and zeros where the program will write."""
    memory, d = empty(layout.regions), layout.machine.d
    write(memory, layout.embedding.start, load_store.store(in_tiles(model.embedding, d).ravel()))
    for name, one in maps_of(model):
        write(memory, layout.trits[name].start, tmatmul.pack(tiles_of(one.trits, d)).ravel())
        if name in layout.bias:
            write(memory, layout.bias[name].start, load_store.store(in_tiles(one.bias, d)))
    return memory


def maps_of(model: Model) -> Iterator[tuple[str, Linear]]:
    """Every map of a model by its name in the layout."""
    for number, block in enumerate(model.blocks):
        for own in MAPS:
            yield f"b{number}.{own}", getattr(block, own)
    yield HEAD, model.head


def in_tiles(x: Int64[ndarray, "*rows n"], d: int) -> Int64[ndarray, "*rows tiled"]:
    """Vectors filled up with zeros to a multiple of d.

    >>> in_tiles(np.array([1, 2, 3]), 2).tolist()
    [1, 2, 3, 0]
    """
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % d)])


def write(memory: UInt8[ndarray, "bytes"], address: int, data: UInt8[ndarray, "size"]) -> None:
    """Bytes at an address."""
    memory[address:address + len(data)] = data
