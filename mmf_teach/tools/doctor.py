"""Is this machine ready? Every check says what it found, and when that is not enough, what to do."""

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass

from mmf_teach import hardware
from mmf_teach.paths import ROOT, SHIPPED_MODEL, cache
from mmf_teach.tools import manifest

GOOD, MISSING, BAD = "good", "optional, not here", "needs you"


@dataclass(frozen=True)
class Finding:
    what: str
    state: str                               # GOOD, MISSING or BAD
    found: str


def python() -> Finding:
    good = sys.version_info >= (3, 11)
    said = platform.python_version() + ("" if good else ": 3.11 or newer is needed")
    return Finding("Python", GOOD if good else BAD, said)


def packages() -> Finding:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wrong, versions = [], {}
    for requirement in map(Requirement, project["dependencies"]):
        try:
            versions[requirement.name] = version = importlib.metadata.version(requirement.name)
            if not requirement.specifier.contains(version, prereleases=True):
                wrong.append(f"{requirement} (here: {version})")
        except importlib.metadata.PackageNotFoundError:
            wrong.append(str(requirement))
    if wrong:
        return Finding("packages", BAD, f"needed: {', '.join(wrong)}; `python3 course.py` installs them")
    return Finding("packages", GOOD, ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy", "jupyterlab")))


def machine() -> Finding:
    return Finding("processor", GOOD, f"{hardware.processor()}, {hardware.cores()} cores, {platform.system()}")


def gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", GOOD, torch.cuda.get_device_name(0))
    return Finding("GPU", MISSING, "none that torch can use; the course needs none")


def disk() -> Finding:
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    where = next(folder for folder in (cache(), *cache().absolute().parents) if folder.exists())
    if not os.access(where, os.W_OK):
        return Finding("disk", BAD, f"{where} cannot be written to: set MMF_CACHE to a folder of yours")
    enough = free_gb > 1
    return Finding("disk", GOOD if enough else BAD, f"{free_gb:.0f} GB free" + ("" if enough else ": 1 GB is needed"))


def data() -> Finding:
    problems = manifest.problems()
    fine = f"{len(manifest.data_files())} files as they should be"
    return Finding("data", BAD if problems else GOOD, "; ".join(problems) or fine)


def model() -> Finding:
    from mmf_teach.model.checkpoint import load_model
    from mmf_teach.model.generate import generate

    try:
        loaded, vocabulary = load_model(SHIPPED_MODEL)
    except ValueError as problem:
        return Finding("model", BAD, str(problem))
    began = time.perf_counter()
    letters = len(list(generate(loaded, vocabulary.encode("ROMEO:"), 50)))
    speed = letters / (time.perf_counter() - began)
    return Finding("model", GOOD, f"loads, and writes {speed:.0f} letters per second (measured here)")


def tool(name: str, commands: list[str], used_for: str) -> Callable[[], Finding]:
    """A check for a program that is nice to have."""
    def check() -> Finding:
        there = next(filter(None, map(shutil.which, commands)), None)
        return Finding(name, GOOD if there else MISSING, there or f"needed only for {used_for}")
    return check


CHECKS = [
    python, packages, machine, gpu, disk, data, model,
    tool("Chromium", ["chromium", "chromium-browser", "google-chrome"], "the project's own browser tests"),
    tool("Yosys", ["yosys"], "synthesis in notebook 12; its results are stored"),
    tool("Verilator", ["verilator"], "fast simulation in notebook 12; its results are stored"),
]


def examine() -> list[Finding]:
    """All findings, in order; a check that itself breaks is a finding too."""
    findings = []
    for check in CHECKS:
        try:
            findings.append(check())
        except Exception as problem:         # whatever a broken installation throws, the reader is told
            findings.append(Finding(getattr(check, "__name__", "tool"), BAD, f"{type(problem).__name__}: {problem}"))
    return findings


def table(findings: list[Finding]) -> str:
    """The findings as lines of text."""
    widths = [max(len(finding.what) for finding in findings), max(len(finding.state) for finding in findings)]
    return "\n".join(f"{f.what:<{widths[0]}}  {f.state:<{widths[1]}}  {f.found}" for f in findings)


def as_json(findings: list[Finding]) -> str:
    """The findings as one JSON document."""
    return json.dumps({"ready": ready(findings), "findings": [asdict(finding) for finding in findings]})


def ready(findings: list[Finding]) -> bool:
    """Whether nothing needs the reader."""
    return all(finding.state != BAD for finding in findings)
