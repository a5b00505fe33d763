"""A lesson is a folder, notebooks/source/NN_title: notebook.py, exercises.py and questions.toml.

Adding one is adding a folder: checks, quizzes, the map of the course and `mmf build` find all lessons here.
"""

import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from mmf_teach.paths import ROOT

SOURCES = ROOT / "notebooks" / "source"


def files(name: str) -> dict[str, Path]:
    """Every lesson's file of this name by the number of its lesson ("02"), in the order of the course."""
    return {path.parent.name[:2]: path for path in sorted(SOURCES.glob(f"[0-9][0-9]_*/{name}"))}


@cache
def exercises(number: str) -> ModuleType:
    """What a lesson's exercises.py defines; ValueError for a lesson that has none."""
    path = files("exercises.py").get(number)
    if path is None:
        raise ValueError(f"there are no exercises of lesson {number!r}")
    spec = spec_from_file_location(".".join(path.relative_to(ROOT).with_suffix("").parts), path)
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module    # where `inspect` looks for the source of an answer
    spec.loader.exec_module(module)
    return module
