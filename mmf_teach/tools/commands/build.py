"""`mmf build`: write the notebooks from their sources."""

import argparse
from pathlib import Path

from mmf_teach.lesson import folders
from mmf_teach.progress import Progress
from mmf_teach.tools import build


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only those that begin so, such as 03")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a notebook differs")


def run(options: argparse.Namespace) -> int:
    chosen = [s for s in build.sources() if not options.names or s.parent.name.startswith(tuple(options.names))]
    if not chosen:
        raise ValueError(f"no written lesson in {folders.SOURCES} begins with {' or '.join(options.names)}")
    differed = build.build_all(chosen, options.check, Progress(len(chosen)).show)
    for path in differed:
        shown = Path(path).relative_to(build.ROOT)
        print(f"{shown}: not what its source gives; run `mmf build`" if options.check else f"{shown}: written")
    return 1 if options.check and differed else 0
