"""`mmf convert`: one of the authors' released models, as it is downloaded, packed into a model of ours."""

import argparse
import json
import sys
import time
from pathlib import Path

from mmf_teach.hardware import peak_memory_bytes
from mmf_teach.model.checkpoint import size_bytes
from mmf_teach.model.released import convert
from mmf_teach.model.subword_tokenizer import RULES
from mmf_teach.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the model: config.json, *.safetensors, tokenizer")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make; it must not be there yet")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def run(options: argparse.Namespace) -> None:
    bar = Progress(0)

    def report(done: int, total: int, name: str) -> None:
        bar.total = total
        bar.show(done, name)

    start = time.perf_counter()
    config = convert(options.folder, options.out, report)
    seconds = time.perf_counter() - start
    if not (options.out / RULES).exists():
        print(
            f"mmf convert: {options.folder} holds no {RULES}; mmf generate will need it in {options.out}",
            file=sys.stderr)
    size, peak = size_bytes(options.out), peak_memory_bytes()
    if options.json:
        print(json.dumps({
            "folder": str(options.out), "size_bytes": size, "seconds": round(seconds, 2), "peak_memory_bytes": peak,
            "kind": "measured",
        } | {"config": config.to_json()}))
    else:
        print(f"{options.out}: {size:,} bytes, in {seconds:.1f} s with {peak / 1e6:,.0f} MB of memory (measured)")
