"""`mmf doctor`: is this machine ready?"""

import argparse

from mmf_teach.tools import doctor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON document")


def run(options: argparse.Namespace) -> int:
    findings = doctor.examine()
    print(doctor.as_json(findings) if options.json else doctor.table(findings))
    return 0 if doctor.ready(findings) else 1
