"""Co-simulation by hand: random machines, random programs, and every difference between circuit and model.

    python -m hardware_sim.rtl --width 16 --machines 4 --programs 10 --seed 1

Exit code 0 when nothing differs, 1 when something does, 2 when the question makes no sense.
"""

import argparse
import sys
from itertools import islice
from random import Random

from hardware_sim.rtl import programs
from hardware_sim.rtl.cosim import Circuit, on_model

WIDTHS = tuple(4 << bits for bits in range(8))
LENGTH = 24                                  # instructions of a program


def main(arguments: list[str] | None = None) -> int:
    """One line a machine, one for each difference, and a sum at the end."""
    parser = argparse.ArgumentParser(prog="python -m hardware_sim.rtl", description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=16, choices=WIDTHS, help="elements of a register")
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--programs", type=int, default=10, help="on each machine")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.machines < 1 or options.programs < 1:
        parser.error("there must be at least one machine and one program")
    wrong, cycles, random = 0, 0, Random(options.seed)
    for machine in islice(programs.machines(options.width, options.seed), options.machines):
        print(machine, flush=True)
        circuit = Circuit(machine)
        for _ in range(options.programs):
            memory, program = programs.memory(machine, random), programs.program(machine, random, LENGTH)
            seen = circuit.run(program, memory, token=1)
            differences = seen.differences(on_model(machine, program, memory, token=1))
            print(*differences, sep="\n", end="\n" * bool(differences), flush=True)
            wrong, cycles = wrong + bool(differences), cycles + seen.times[-1][1]
    print(f"{options.machines * options.programs} programs, {cycles:,} cycles, {wrong} with a difference")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
