"""The command line of the machine: `python -m hardware_sim time | run | trace PROGRAM --preset CORE`.

A preset is a module with `add_arguments`, `load` (text and options to a program and its machine) and `results` (what
the program computes); everything else here is the same for every core.
"""

import argparse
import importlib
import sys
from pathlib import Path

from hardware_sim.assembler import texts
from hardware_sim.scoreboard import run as run_scoreboard
from hardware_sim.trace import Event, busy, moved, named, stalls, to_chrome, to_json, total_cycles
from mmf_teach.exit_code import exit_code
from mmf_teach.files import write_files

PRESETS = {
    "paper2024": "hardware_sim.paper2024.command",
    "ternary": "hardware_sim.ternary_core.command",
}
COMMANDS = {
    "time": "print how many clock cycles a program takes",
    "run": "print what a program leaves in registers and memory",
    "trace": "write when each instruction was at work, as JSON and for Perfetto",
}


def parser(preset: str) -> argparse.ArgumentParser:
    """The options of all commands, for one preset."""
    whole = argparse.ArgumentParser(prog="python -m hardware_sim", description="An accelerator, cycle by cycle.")
    chosen = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what in COMMANDS.items():
        options = chosen.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        options.add_argument("program", type=Path, help="a file of instructions, one a line")
        options.add_argument("--preset", choices=PRESETS, default=preset, help="which core (default: paper2024)")
        importlib.import_module(PRESETS[preset]).add_arguments(options, name)
        if name == "trace":
            options.add_argument("--out", type=Path, default=Path(), help="the folder to write to (default: this one)")
    return whole


def read_program(path: Path) -> str:
    """The text of a program. ValueError when the file is no text."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no program: it is not a text file in UTF-8") from None


def preset_of(arguments: list[str]) -> str:
    """The preset that the arguments ask for, before the options of that preset are known."""
    first = argparse.ArgumentParser(prog="python -m hardware_sim", add_help=False, allow_abbrev=False)
    first.add_argument("--preset", nargs="?", choices=PRESETS, const="paper2024", default="paper2024")
    return first.parse_known_args(arguments)[0].preset


def execute(options: argparse.Namespace) -> None:
    """Do what was asked for; ValueError or OSError when it cannot be done."""
    core = importlib.import_module(PRESETS[options.preset])
    program, machine = core.load(read_program(options.program), options)
    if not program.instructions:
        raise ValueError(f"{options.program} holds no instruction: write at least one, such as nop")
    if options.command == "run":
        print(core.results(program, machine, options))
        return
    events = named(run_scoreboard(program, machine), texts(program, machine.instruction_set))
    if options.command == "time":
        print(total_cycles(events))
    else:
        write_trace(events, options.out / options.program.stem, core.clock_mhz(machine))


def write_trace(events: list[Event], stem: Path, clock_mhz: float) -> None:
    """STEM.events.json and STEM.perfetto.json; either both are written or none."""
    files = {
        stem.with_name(stem.name + ".events.json"): to_json(events).encode(),
        stem.with_name(stem.name + ".perfetto.json"): to_chrome(events, clock_mhz).encode(),
    }
    write_files(files)
    total = total_cycles(events)
    for unit, cycles in busy(events).items():
        print(f"{unit:12} busy in {100 * cycles / total:5.1f} % of the cycles")
    for reason, cycles in stalls(events).most_common():
        print(f"{100 * cycles / total:5.1f} % of the cycles waited for {reason}")
    print(f"{total} cycles, {moved(events)} bytes moved")
    for path in files:
        print(f"wrote {path}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0 success, 1 what was asked could not be done, 2 asked wrongly."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser(preset_of(arguments)).parse_args(arguments)
    return exit_code(f"hardware_sim {options.command}", lambda: execute(options))


if __name__ == "__main__":
    sys.exit(main())
