"""An import only ever points to a line above its own: the dictionary below is the map of the project."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from mmf_teach import lesson
from mmf_teach.lesson.folders import SOURCES

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {                               # the reading order: a group knows only what stands above it
    "paths": "",
    "files": "",
    "progress": "",
    "exit_code": "",
    "hardware": "",
    "shapes": "",
    "quantity": "paths",
    "ternary": "",
    "reference": "ternary",
    "layers": "shapes ternary",
    "model": "files paths hardware shapes ternary reference layers",
    "training": "files paths progress hardware shapes ternary reference layers model",
    "cost": "paths quantity shapes ternary layers model",
    "hardware_sim": "files paths exit_code quantity ternary",
    "engine": "files paths hardware quantity shapes ternary reference layers model training cost hardware_sim",
    "lesson.figures": "",
    "lesson.widgets": "quantity ternary reference model cost hardware_sim lesson.figures",
    "lesson": "paths lesson.figures lesson.widgets",
    "exercises": "paths shapes quantity ternary reference layers model training cost hardware_sim engine lesson",
}
MAY_IMPORT["tools"] = " ".join(MAY_IMPORT)
MAY_IMPORT["__main__"] = "exit_code tools"

CHOOSES = {"ternary_matmul"}                 # packages that hand on what suits the machine, when it is asked for
COMES_FIRST = {"engine": "compilation_cache"}            # what a package imports before any of its modules is imported
BY_NAME = "from importlib import import_module"
HANDS_ON = {"lesson"}                        # and one whose table says where a notebook finds what
WITHOUT_TORCH = {"paths", "files", "progress", "exit_code", "hardware", "quantity", "ternary", "reference",
                 "hardware_sim", "lesson.figures"}
FILES = sorted(path for folder in ("mmf_teach", "hardware_sim") for path in (ROOT / folder).rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES if path.stem != "__init__"}
EXERCISES = {f"exercises.{path.parent.name}": path for path in sorted(SOURCES.glob("*/exercises.py"))}
PACKAGES = [path for path in FILES if path.stem == "__init__"]
OTHERS = [ROOT / "course.py", *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "notebooks").rglob("*.py"))]


def group(module: str) -> str:
    """Where in the map a module stands: the longest entry that is its name or begins it."""
    name = module.removeprefix("mmf_teach.")
    entries = [entry for entry in MAY_IMPORT if name == entry or name.startswith(f"{entry}.")]
    assert entries, f"{module} has no place in the map"
    return max(entries, key=len)


def imports(source: str) -> list[tuple[int, str]]:
    """Line and name of everything of ours that a text imports, wherever in it, for type checkers or not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: an import says in full where it points"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(node.lineno, name if name in MODULES else node.module) for name in inner]
    return [(line, name) for line, name in found if name.partition(".")[0] in ("mmf_teach", "hardware_sim")]


def misplaced(module: str, source: str) -> list[str]:
    """Imports that point to a line below, as sentences."""
    here = group(module)
    allowed = {here, *MAY_IMPORT[here].split()}
    return [
        f"line {line}: {here} must not import {name}"
        for line, name in imports(source) if name not in MODULES or group(name) not in allowed
    ]


def circles(sources: dict[str, str]) -> list[str]:
    """The modules of an import circle, if there is one."""
    graph = {module: {name for _, name in imports(source)} for module, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        return circle.args[1]
    return []


def test_the_map_itself_only_points_upwards():
    above = []
    for entry, allowed in MAY_IMPORT.items():
        assert set(allowed.split()) <= set(above)
        above.append(entry)


@pytest.mark.parametrize(("module", "path"), (MODULES | EXERCISES).items(), ids=(*MODULES, *EXERCISES))
def test_imports_follow_the_reading_order(module, path):
    assert misplaced(module, path.read_text("utf-8")) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circles({module: path.read_text("utf-8") for module, path in MODULES.items()}) == []


@pytest.mark.parametrize(("module", "line"), [
    ("mmf_teach.ternary.packing", "from mmf_teach.layers.glu import GLU"),
    ("mmf_teach.ternary.packing", "import mmf_teach.model.build"),
    ("mmf_teach.lesson.figures.bars", "from mmf_teach.paths import DATA"),
    ("mmf_teach.layers.glu", "def f():\n    from mmf_teach.model import build"),
    ("mmf_teach.layers.glu", "if TYPE_CHECKING:\n    from mmf_teach.model.config import ModelConfig"),
    ("mmf_teach.model.build", "from mmf_teach.nowhere import something"),
    ("mmf_teach.model.build", "from mmf_teach import model"),
    ("mmf_teach.lesson.guess", "from mmf_teach.lesson import picture"),
    ("exercises.02_trits", "from mmf_teach.tools import build"),
])
def test_a_misplaced_import_is_found_wherever_it_hides(module, line):
    assert len(misplaced(module, line)) == 1


def test_a_circle_is_found_even_when_it_is_only_for_type_checkers():
    one, two = "mmf_teach.files", "mmf_teach.paths"
    assert circles({one: "from mmf_teach import paths", two: "if X:\n    from mmf_teach.files import write_file"}) != []
    assert circles({one: "from mmf_teach import paths", two: "import os"}) == []


@pytest.mark.parametrize("module", [module for module in MODULES if group(module) == "lesson.figures"])
def test_a_figure_takes_plain_data_and_knows_nothing_of_ours_but_the_style(module):
    assert {name for _, name in imports(MODULES[module].read_text("utf-8"))} <= {"mmf_teach.lesson.figures.style"}


@pytest.mark.parametrize("module", [module for module in MODULES if group(module) in WITHOUT_TORCH])
def test_what_needs_no_torch_is_imported_without_it(module):
    """It takes seconds to start. Inside a function it may be imported by those who call the function."""
    first = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).partition(".")[0]
        for node in ast.parse(MODULES[module].read_text("utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    assert "torch" not in first


def others_packages(source: str) -> set[str]:
    """What a text imports of other people's, wherever in it."""
    found = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).partition(".")[0]
        for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    return found - sys.stdlib_module_names - {"mmf_teach", "hardware_sim"}


@pytest.mark.parametrize("module", [module for module in MODULES if group(module) == "hardware_sim"])
def test_the_textbook_of_the_machine_is_numpy_only(module):
    """Nothing is compiled in it: circuits are Amaranth's, a study may share its work between processes."""
    more = {"hardware_sim.rtl": {"amaranth"}, "hardware_sim.studies": {"joblib"}}.get(module.rpartition(".")[0], set())
    if module == "hardware_sim.ternary_core.checkpoint":
        more = {"safetensors"}
    assert others_packages(MODULES[module].read_text("utf-8")) <= {"numpy", "jaxtyping"} | more


def test_compiled_code_in_the_textbook_of_the_machine_is_found():
    assert others_packages("import sys\ndef f():\n    from numba.core import njit\n    import numpy as np") == {
        "numba", "numpy"}


@pytest.mark.parametrize("path", FILES + OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_by_a_star(path):
    """The import line tells the reader which page to open."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"line {node.lineno}"


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_says_what_it_is_and_holds_nothing_else(path):
    first, *rest = ast.parse(path.read_text("utf-8")).body
    assert isinstance(first, ast.Expr) and isinstance(first.value.value, str)
    by_name = [node for node in rest if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    first = [node for node in rest if isinstance(node, ast.ImportFrom)
             and [alias.name for alias in node.names] == [COMES_FIRST.get(path.parent.name)]]
    table = [node for node in rest if isinstance(node, ast.Assign) or ast.unparse(node) == BY_NAME]
    handed_on = [*table, *by_name] if path.parent.name in HANDS_ON else first
    assert rest == (by_name if path.parent.name in CHOOSES else handed_on)


def test_a_notebook_finds_each_name_in_the_module_that_the_table_says():
    """A name that is also a module's would turn into the module as soon as somebody imports that."""
    assert not {f"mmf_teach.lesson.{name}" for name in (*lesson.MODULE_OF, "style")} & MODULES.keys()
    assert sorted(lesson.MODULE_OF) == sorted(" ".join(lesson.MODULES.values()).split())
    for name, module in lesson.MODULE_OF.items():
        assert getattr(lesson, name).__module__ == f"mmf_teach.lesson.{module}"
    assert lesson.style.__name__ == "mmf_teach.lesson.figures.style"
    with pytest.raises(AttributeError, match="has no attribute 'chekc'"):
        _ = lesson.chekc


def test_importing_the_lessons_names_imports_none_of_their_modules():
    told = "import sys, mmf_teach.lesson; print([name for name in sys.modules if name.startswith('mmf_teach.lesson.')])"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_folder_with_modules_is_a_package():
    folders = {path.parent for path in MODULES.values()}
    assert folders == {path.parent for path in PACKAGES if path.parent in folders}
