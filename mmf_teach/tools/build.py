"""From one source to two notebooks: the learner's, with stubs and no outputs, and the solved one, executed.

`notebooks/source/NN_title/notebook.py` (percent format) is the only text that people edit. The same source gives the
same bytes each time: cells are numbered, outputs cleaned, and what differs from run to run is not stored.

Cell metadata that a source may use
    part="..." build="..."          in the first cell: what the map of the course says of it (lesson/course_map.py)
    tags=["measured"]               its output is the reader's own (times, their machine); a sentence is stored instead
    solution="module:function"      an exercise: the learner's copy keeps the stub, the solved one imports the answer;
                                    the module "exercises" is the file beside the source
"""

import copy
import importlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mmf_teach.files import write_file
from mmf_teach.lesson import course_map, folders
from mmf_teach.paths import ROOT
from mmf_teach.tools import guards

README = ROOT / "README.md"
CELL_SECONDS = 120                           # longest that one cell may run
MEASURED = "Measured on the machine that runs this cell: run it to see yours.\n"
KEPT_METADATA = {"tags", "solution"}


def sources() -> list[Path]:
    """The sources of all notebooks that are written, in the order of the course."""
    return [path for path in folders.files("notebook.py").values() if course_map.read(path).written]


def targets(source: Path) -> tuple[Path, Path]:
    """Where the learner's and the solved notebook of a source lie."""
    name, folder = f"{source.parent.name}.ipynb", source.parents[2]
    return folder / name, folder / "solved" / name


def lesson(source: Path) -> str:
    """The number of a source's lesson, such as "03"."""
    return source.parent.name[:2]


def build(source: Path) -> dict[Path, bytes]:
    """The content of both notebooks. ValueError names the cell that breaks a rule or fails."""
    plain = read(source)
    learner, solved = learners(plain), execute(answered(plain, source), source)
    places = [cell.metadata["solution"] for cell in plain.cells if "solution" in cell.metadata]
    answers = {place: answer(place, source) for place in places}
    for path, notebook in zip(targets(source), (learner, solved), strict=True):
        problems = guards.problems(notebook, executed=notebook is solved)
        if notebook is learner:
            problems += [f"the answer is given away: {line}" for line in guards.leaked_lines(learner, answers)]
        if problems:
            raise ValueError(f"{path.parent.name}/{path.name}: " + "; ".join(problems))
    contents = (to_bytes(learner), to_bytes(solved))
    return dict(zip(targets(source), contents, strict=True))


def read(source: Path) -> NotebookNode:
    """A source as a notebook without outputs: numbered cells, and no metadata but ours."""
    try:
        import jupytext
    except ImportError:
        raise ValueError("building notebooks needs the test extra: `python3 course.py test` sets it up") from None
    parsed = jupytext.reads(source.read_text("utf-8"), fmt="py:percent")
    notebook = nbformat.v4.new_notebook(metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        "language_info": {"name": "python"},
    })
    for place, cell in enumerate(parsed.cells):
        cell.id = f"{lesson(source)}-{place:03}"
        cell.source = cell.source.replace("{{course_map}}", course_map.markdown())
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in KEPT_METADATA}
        if "measured" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("nbval-ignore-output")
        notebook.cells.append(cell)
    return notebook


def learners(plain: NotebookNode) -> NotebookNode:
    """What a learner opens: stubs stay, and where their answers lie is not said."""
    notebook = copy.deepcopy(plain)
    for cell in notebook.cells:
        cell.metadata.pop("solution", None)
    return notebook


def answered(plain: NotebookNode, source: Path) -> NotebookNode:
    """The same with every stub replaced by an import of the library's own function, under the stub's name."""
    notebook = copy.deepcopy(plain)
    for cell in notebook.cells:
        place = cell.metadata.pop("solution", None)
        if place:
            answer(place, source)            # one that is gone is found here
            module, function = place.split(":")
            name = re.search(r"^def (\w+)", cell.source, re.MULTILINE)[1]
            alias = "" if name == function else f" as {name}"
            cell.source = f"from {module} import {function}{alias}"
            if module == "exercises":
                fetched = f'{name} = exercises("{lesson(source)}").{function}'
                cell.source = f"from mmf_teach.lesson import exercises\n\n{fetched}"
    return notebook


def answer(place: str, source: Path) -> Callable:
    """The function at "module:function" in the library, or at "exercises:function" beside the source."""
    name, function = place.split(":")
    module = folders.exercises(lesson(source)) if name == "exercises" else importlib.import_module(name)
    return getattr(module, function)


def execute(notebook: NotebookNode, source: Path) -> NotebookNode:
    """Run all cells in a fresh kernel beside the solved notebooks; keep only outputs that are always the same."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    folder = targets(source)[1].parent
    folder.mkdir(exist_ok=True)
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name="python3", store_widget_state=False, record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute(env=os.environ | {"MMF_LEDGER": "", "MMF_CHECK_STRICT": "1"})
    except CellExecutionError as failure:
        raise ValueError(f"{source.parent.name} fails: {failure}") from None
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            measured = "measured" in cell.metadata.get("tags", [])
            kept = [nbformat.v4.new_output("stream", name="stdout", text=MEASURED)] if measured else clean(cell.outputs)
            cell.outputs = kept
    return notebook


def clean(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without the live half of a widget: its sentence stays. What a slow kernel prints in pieces is joined."""
    cleaned: list[NotebookNode] = []
    for output in outputs:
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        output.pop("transient", None)
        if cleaned and output.get("name") and output.name == cleaned[-1].get("name"):
            cleaned[-1].text += output.text
        else:
            cleaned.append(output)
    return cleaned


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook as a file, keys in order."""
    nbformat.validate(notebook)
    return (json.dumps(notebook, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def build_all(chosen: list[Path], check: bool, report: Callable[[int, str], None]) -> list[Path]:
    """Write these notebooks and the README's map, or with `check` only compare; return the files that differed."""
    readme = course_map.into_readme(README.read_text("utf-8")).encode("utf-8")
    differed = update({README: readme}, check)
    for place, source in enumerate(chosen):
        report(place, source.parent.name)
        differed += update(build(source), check)
    report(len(chosen), "done")
    return differed


def update(contents: dict[Path, bytes], check: bool) -> list[Path]:
    """Write the files that differ from their content, or with `check` only name them."""
    differed = [path for path, content in contents.items() if not path.exists() or path.read_bytes() != content]
    for path in [] if check else differed:
        write_file(path, contents[path])
    return differed
