"""The published core on the command line: preset paper2024.

Course    notebook 10, "An instruction set of ten words"
"""

import argparse
import json
from pathlib import Path

import numpy as np
from jaxtyping import Int8
from numpy import ndarray

from hardware_sim.assembler import Program, assemble
from hardware_sim.paper2024 import golden
from hardware_sim.paper2024.inputs import named_memory, needed, random_memory
from hardware_sim.paper2024.isa import INSTRUCTION_SET
from hardware_sim.paper2024.machine import Paper2024Core, facts, paper2024
from hardware_sim.paper2024.units.rowwise import POINT

SHOWN = 16                                   # elements of a vector on one line


def add_arguments(options: argparse.ArgumentParser, command: str) -> None:
    for name, letter, what in (
        ("--d", "D", "elements in a register"),
        ("--read-latency", "L", "cycles from asking for a byte until it is there"),
        ("--write-latency", "W", "cycles from sending a byte until it is written"),
    ):
        quantity = facts()["width" if name == "--d" else name[2:].replace("-", "_")]
        options.add_argument(name, type=int, metavar=letter, help=f"{what} (default: {quantity.value})")
    if command == "run":
        options.add_argument("--memory", type=Path, metavar="FILE", help="JSON: numbers or rows of trits for each name")
        options.add_argument("--seed", type=int, default=0, help="for what --memory does not give (default: 0)")
        options.add_argument("--json", action="store_true", help="print everything as one JSON document")


def load(text: str, options: argparse.Namespace) -> tuple[Program, Paper2024Core]:
    """The program and the machine. ValueError for a line that cannot be understood or a machine that cannot be."""
    machine = paper2024(options.d, options.read_latency, options.write_latency)
    return assemble(text, INSTRUCTION_SET, machine.region_bytes), machine


def clock_mhz(machine: Paper2024Core) -> float:
    """The clock of the published core."""
    return facts()["clock"].value


def results(program: Program, machine: Paper2024Core, options: argparse.Namespace) -> str:
    """Registers and memory after the program, in plain numbers."""
    given = named_memory(read_json(options.memory), program, machine) if options.memory else {}
    memory = random_memory(program, machine, options.seed) | given
    state = golden.run(program, memory, machine)
    called = {address: name for name, address in program.names.items()}
    written = dict.fromkeys(i["@"] for i in program if i.mnemonic == "sv")
    registers = {f"v{n}": plain(state.registers[n]) for n in sorted(state.registers)}
    regions = {called.get(at, hex(at)): plain(state.memory[at].view(np.int8)) for at in written}
    drawn = [called.get(at, hex(at)) for at in needed(program) if at not in given]
    if options.json:
        return json.dumps({"registers": registers, "memory": regions, "random": drawn, "seed": options.seed})
    lines = [f"memory drawn at random, seed {options.seed}: {', '.join(drawn)}"] if drawn else []
    lines += ["registers", *(f"  {name:12} {shown(values)}" for name, values in registers.items())]
    lines += ["memory written", *(f"  {name:12} {shown(values)}" for name, values in regions.items())]
    return "\n".join(lines)


def read_json(path: Path) -> dict:
    """A table of regions. ValueError when the file is none."""
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is no JSON document") from None
    if not isinstance(document, dict):
        raise ValueError(f'{path} must hold a table such as {{"x": [0.5, 1, ...]}}')
    return document


def plain(vector: Int8[ndarray, "d"]) -> list[float]:
    """Eighths as numbers."""
    return (vector / (1 << POINT)).tolist()


def shown(values: list[float]) -> str:
    """The first elements of a vector."""
    more = f" ... {len(values)} in all" if len(values) > SHOWN else ""
    return " ".join(f"{value:g}" for value in values[:SHOWN]) + more
