"""`mmf bench`: how fast the kernels are on this machine, with their roof and torch beside them."""

import argparse
import importlib
import json
import sys

BENCHES = ("matvec", "matmul", "fused", "engine", "train", "scan", "simulator")      # one file each in engine/bench


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=BENCHES, metavar="WHAT",
        help="matvec: one token times a matrix; matmul: many tokens; fused: a BitLinear layer with its norm; "
        "engine: a whole model; train: an update of its weights; scan: the memory of a token mixer; "
        "simulator: our accelerator")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON document")
    parser.add_argument("--quick", action="store_true", help="small matrices and few samples: does it run at all?")


def run(options: argparse.Namespace) -> None:
    from mmf_teach.engine.bench.table import table
    from mmf_teach.hardware import describe

    bench = importlib.import_module(f"mmf_teach.engine.bench.{options.what}")
    rows = bench.measure(options.quick, lambda text: print(f"measuring {text}", file=sys.stderr, flush=True))
    if options.json:
        print(json.dumps([one.as_dict() for one in rows], indent=1))
    else:
        print(f"Measured here: {describe()}. Medians; columns fp32 to int4: how many times as fast as torch's.\n")
        print(table(rows), end="")
