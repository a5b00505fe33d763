"""`mmf progress`: how far you are."""

import argparse
import json
from pathlib import Path

from mmf_teach.files import write_file
from mmf_teach.lesson import progress_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--export", type=Path, metavar="FILE", help="write a JSON file that a teacher can collect")
    parser.add_argument("--name", default="", help="your name, to be written into that file")
    parser.add_argument("--json", action="store_true", help="print the same document")


def run(options: argparse.Namespace) -> None:
    document = json.dumps(progress_page.export(options.name), indent=1)
    if options.export:
        write_file(options.export, (document + "\n").encode("utf-8"))
    if options.json:
        print(document)
    elif options.export:
        print(f"{options.export}: written")
    else:
        print(progress_page.Panel())
