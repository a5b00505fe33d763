"""The head of a file names the notebook in which its idea is met: that notebook runs it, or calls what runs it."""

import ast
import re

import pytest
from test_imports import MODULES, imports

from hardware_sim.__main__ import PRESETS
from mmf_teach.lesson import MODULE_OF, course_map
from mmf_teach.lesson.folders import SOURCES

MACHINE = [module for module in MODULES if module.startswith("hardware_sim.")]


def pointers(module: str) -> list[str]:
    """The numbers of the notebooks in a file's head."""
    head = ast.get_docstring(ast.parse(MODULES[module].read_text("utf-8"))) or ""
    lines = [line for line in head.splitlines() if line.startswith("Course ")]
    return re.findall(r"\b(\d\d), \"", " ".join(lines))


def met_in(texts: list[str]) -> set[str]:
    """Every module that these texts import, answer exercises with or run as a command, and all that those import."""
    left = [name for text in texts for _, name in imports(text)]
    for text in texts:
        left += re.findall(r"solution=\"([\w.]+):", text)
        names = ", ".join(re.findall(r"^from mmf_teach\.lesson import (.+)$", text, re.MULTILINE)).split(", ")
        left += [f"mmf_teach.lesson.{MODULE_OF[name]}" for name in names if name in MODULE_OF]
        left += [f"{name}.__main__" for name in re.findall(r"python -m (hardware_sim(?:\.\w+)*)", text)]
    found = set()
    while left:
        name = left.pop()
        if name in MODULES and name not in found:
            found.add(name)
            left += [other for _, other in imports(MODULES[name].read_text("utf-8"))]
            left += PRESETS.values() if name == "hardware_sim.__main__" else []
    return found


def written() -> dict[str, set[str]]:
    """What each notebook that is written meets, by its number."""
    folders = {lesson.name[:2]: SOURCES / lesson.name for lesson in course_map.lessons() if lesson.written}
    return {
        number: met_in([path.read_text("utf-8") for path in folder.glob("*.py")]) for number, folder in folders.items()
    }


@pytest.fixture(scope="module")
def met():
    return written()


@pytest.mark.parametrize("module", MACHINE)
def test_a_file_of_the_machine_points_to_notebooks_that_meet_it(module, met):
    named = pointers(module)
    assert named or module.endswith("__main__"), "the head says where in the course it is met"
    assert [number for number in named if number in met and module not in met[number]] == []


def test_a_wrong_pointer_is_found():
    assert "hardware_sim.ternary_core.cost_table" in met_in(["from mmf_teach.engine.accelerator import Accelerator"])
    assert "hardware_sim.dram.ddr4" not in met_in(["from hardware_sim.dram.bus import Bus"])
    assert "hardware_sim.paper2024.command" in met_in(["# python -m hardware_sim run x"])
