"""Co-simulation on the command line: all differences between circuit and model, on random programs or a trained model.

    python -m hardware_sim.rtl --width 16 --machines 4 --programs 10 --seed 1
    python -m hardware_sim.rtl --shipped 3         three tokens of the shipped model on the preset's circuit; needs
                                                   Yosys and Verilator, and some minutes to build

Exit code 0 when nothing differs, 1 when something does, 2 when the question makes no sense.
"""

import argparse
import sys
import tempfile
from itertools import islice
from pathlib import Path
from random import Random

from hardware_sim.rtl import random_programs, verilated
from hardware_sim.rtl.cosim import Circuit, on_model
from hardware_sim.ternary_core.checkpoint import read_model
from hardware_sim.ternary_core.machine import TERNARY_CORE
from hardware_sim.ternary_core.weights import lower_model
from mmf_teach.paths import SHIPPED_MODEL

WIDTHS = tuple(4 << bits for bits in range(8))
LENGTH = 24                                  # instructions of a program


def main(arguments: list[str] | None = None) -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(prog="python -m hardware_sim.rtl", description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=16, choices=WIDTHS, help="elements of a register")
    parser.add_argument("--machines", type=int, default=4, help="drawn at random (default: 4)")
    parser.add_argument("--programs", type=int, default=10, help="on each machine (default: 10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shipped", type=int, metavar="TOKENS", help="instead: so many tokens of the shipped model")
    options = parser.parse_args(arguments)
    of_model = options.shipped is not None
    if min(options.machines, options.programs, options.shipped if of_model else 1) < 1:
        parser.error("there must be something to compare: a number above 0")
    if of_model and verilated.missing_tools():
        parser.error(f"not installed here: {', '.join(verilated.missing_tools())}")
    differ = shipped(options.shipped) if of_model else at_random(options)
    print(f"{differ} of them with a difference" if differ else "no difference")
    return 1 if differ else 0


def at_random(options: argparse.Namespace) -> int:
    """Random programs on random machines; how many of them differ."""
    differ, random = 0, Random(options.seed)
    for machine in islice(random_programs.machines(options.width, options.seed), options.machines):
        circuit, cycles, differences = Circuit(machine), 0, []
        for _ in range(options.programs):
            memory = random_programs.memory(machine, random)
            program = random_programs.program(machine, random, LENGTH)
            result = circuit.run(program, memory, token=1)
            found = result.differences(on_model(machine, program, memory, token=1))
            differences, cycles, differ = differences + found, cycles + result.cycles, differ + bool(found)
        print(f"{machine}: {options.programs} programs, {cycles:,} cycles", *differences, sep="\n", flush=True)
    return differ


def shipped(tokens: int) -> int:
    """One token after the other, each with the memories that the one before left; how many of them differ."""
    lowered, memory = lower_model(read_model(SHIPPED_MODEL), TERNARY_CORE)
    program, differ = list(lowered.program), 0
    with tempfile.TemporaryDirectory() as folder:
        core = verilated.build(TERNARY_CORE, Path(folder), len(program))
        for token in range(1, tokens + 1):
            result = verilated.run(core, TERNARY_CORE, program, memory, token, len(program))
            found = result.differences(on_model(TERNARY_CORE, program, memory, token))
            print(f"token {token}: {len(program)} instructions, {result.cycles:,} cycles", *found, sep="\n", flush=True)
            differ, memory = differ + bool(found), result.memory.copy()
    return differ


if __name__ == "__main__":
    sys.exit(main())
