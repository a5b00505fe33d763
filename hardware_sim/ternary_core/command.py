"""Our core on the command line: preset ternary.

Course    notebook 10, "An instruction set of ten words", shows the command line; the core itself is notebook 13's
"""

import argparse
import json
from dataclasses import fields, replace

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from hardware_sim.assembler import Program, assemble
from hardware_sim.ternary_core.check import check
from hardware_sim.ternary_core.cost_table import TernaryCore
from hardware_sim.ternary_core.golden import Golden
from hardware_sim.ternary_core.image import CONSTANT, MEMORY, WORK, AddressMap, Region, empty
from hardware_sim.ternary_core.machine import TERNARY_CORE, Machine
from hardware_sim.ternary_core.units import load_store, tmatmul

SIZES = [field.name for field in fields(Machine) if field.type is int]
SHOWN = 16                                   # elements of a vector on one line
LARGEST = 1 << 14                            # of the numbers drawn at random: activations from -4 to 4


def add_arguments(options: argparse.ArgumentParser, command: str) -> None:
    for name in SIZES:
        options.add_argument(
            f"--{name.replace('_', '-')}", type=int, metavar="N",
            help=f"{name.replace('_', ' ')} of the machine (default: {getattr(TERNARY_CORE, name)}, or what d allows)")
    options.add_argument("--single-buffer", action="store_true", help="no stream begins before the last is done")
    if command == "run":
        options.add_argument("--seed", type=int, default=0, help="for what lies in memory at first (default: 0)")
        options.add_argument("--json", action="store_true", help="print everything as one JSON document")


def load(text: str, options: argparse.Namespace) -> tuple[Program, TernaryCore]:
    """The program and the machine. ValueError for a line that cannot be understood, or a program that is not sound."""
    core = TernaryCore(machine_of(options))
    program = assemble(text, core.instruction_set, core.region_bytes)
    if program.instructions:
        check(program, regions_of(program, core), core.machine, program.lines)
    return program, core


def machine_of(options: argparse.Namespace) -> Machine:
    """The preset with the sizes that were given; those that were not are no larger than the given ones allow."""
    given = {name: getattr(options, name) for name in SIZES if getattr(options, name) is not None}
    d = given.get("d", TERNARY_CORE.d)
    port = max(4, min(TERNARY_CORE.port_bytes, 4 * d, d * d // 4, given.get("burst_bytes", TERNARY_CORE.burst_bytes)))
    fitting = {
        "lanes": min(TERNARY_CORE.lanes, d), "row_lanes": min(TERNARY_CORE.row_lanes, d), "port_bytes": port,
        "burst_bytes": max(TERNARY_CORE.burst_bytes, given.get("port_bytes", port)),
    }
    return replace(TERNARY_CORE, double_buffer=not options.single_buffer, **fitting | given)


def regions_of(program: Program, core: TernaryCore) -> AddressMap:
    """What the program's addresses stand for. ValueError for two that overlap."""
    called = {address: name for name, address in program.names.items()}
    sizes, uses = {}, {}
    for instruction in program:
        if "@" in instruction.operands:
            address = instruction["@"]
            sizes[address] = max(sizes.get(address, 0), core.region_bytes(instruction.mnemonic))
            first = {"tmm": CONSTANT, "tma": CONSTANT, "sv": WORK}.get(instruction.mnemonic, MEMORY)
            uses.setdefault(address, first)
    regions = (Region(called.get(at, hex(at)), at, size, uses[at]) for at, size in sizes.items())
    return AddressMap(tuple(regions), core.machine.address_bits)


def random_memory(regions: AddressMap, d: int, seed: int) -> UInt8[ndarray, "bytes"]:
    """Trits and activations drawn at random wherever the program reads before it writes; same seed, same numbers."""
    if seed < 0:
        raise ValueError(f"a seed is a number from zero up, not {seed}")
    draw, memory = np.random.default_rng(seed), empty(regions.regions)
    for region in regions.regions:
        if region.use == CONSTANT:
            data = tmatmul.pack(draw.integers(-1, 2, (d, d)).astype(np.int8))
            memory[region.start:region.start + len(data)] = data
        elif region.use == MEMORY:
            memory[region.start:region.end] = load_store.store(draw.integers(-LARGEST, LARGEST + 1, region.size // 4))
    return memory


def clock_mhz(core: TernaryCore) -> float:
    """The clock of the machine."""
    return core.machine.clock_mhz


def results(program: Program, core: TernaryCore, options: argparse.Namespace) -> str:
    """Registers and memory after the program, in whole numbers."""
    regions = regions_of(program, core)
    golden = Golden(core.machine, random_memory(regions, core.machine.d, options.seed))
    golden.run(program)
    named = dict.fromkeys(i["y"] for i in program if "y" in i.operands)
    stored = dict.fromkeys(i["@"] for i in program if i.mnemonic == "sv")
    registers = {f"v{number}": golden.registers[number].tolist() for number in sorted(named)}
    memory = {
        region.name: load_store.load(golden.memory[region.start:region.end]).tolist()
        for region in regions.regions if region.start in stored
    }
    drawn = [region.name for region in regions.regions if region.use != WORK]
    if options.json:
        return json.dumps({
            "registers": registers, "memory": memory, "random": drawn, "seed": options.seed,
            "saturated": golden.saturated})
    lines = [f"memory drawn at random, seed {options.seed}: {', '.join(drawn)}"] if drawn else []
    for title, rows in (("registers", registers), ("memory written", memory)):
        lines += [title, *(f"  {name:12} {shown(values)}" for name, values in rows.items())]
    return "\n".join([*lines, f"elements that did not fit into 32 bits: {golden.saturated}"])


def shown(values: list[int]) -> str:
    """The first elements of a vector."""
    more = f" ... {len(values)} in all" if len(values) > SHOWN else ""
    return " ".join(map(str, values[:SHOWN])) + more
