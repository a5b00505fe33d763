"""The command line: `mmf COMMAND`, or `python -m mmf_teach COMMAND`. One file a command in mmf_teach/tools/commands."""

import argparse
import importlib
import sys

from mmf_teach.exit_code import exit_code

COMMANDS = {
    "generate": "write text with a trained model",
    "convert": "pack one of the authors' released models",
    "evaluate": "measure the loss of a model on a text",
    "train": "train a model by a recipe",
    "sweep": "train many models that differ in a few settings",
    "audit": "count every operation of a forward pass",
    "compare": "what a token costs beside a model that multiplies matrices",
    "build": "write the notebooks from their sources",
    "progress": "show how far you are in the course",
    "bench": "measure how fast the kernels are on this machine",
    "precompile": "compile the kernels for this machine, once",
    "doctor": "check this machine",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0 success, 1 what was asked could not be done, 2 asked wrongly."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="mmf", description="A course on MatMul-free language models.")
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what in COMMANDS.items():
        subparser = chosen.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        if name in arguments[:1]:            # other commands need not be imported to be listed
            command = importlib.import_module(f"mmf_teach.tools.commands.{name}")
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
    parsed = parser.parse_args(arguments)
    return exit_code(f"mmf {parsed.command}", lambda: parsed.run(parsed))


if __name__ == "__main__":
    sys.exit(main())
