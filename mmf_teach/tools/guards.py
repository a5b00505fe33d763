"""Rules that a built notebook must keep, each learnt from a course in which it was broken (see CONTRIBUTING.md)."""

import ast
import inspect
import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from nbformat import NotebookNode

PLOTLY = "application/vnd.plotly.v1+json"
LARGEST_BYTES = 300_000
LONGEST_CODE_LINES, LONGEST_CODE_COLUMNS, LONGEST_PROSE_WORDS = 20, 100, 160
MOST_IMPORT_LINES = 10                       # of the first cell with code: nobody reads thirty
TELLING = 24                                 # a line of code this long or longer does not occur by chance
PRIVATE = re.compile(                        # what betrays the machine that built it, and differs on the next
    r"/(?:home|root|Users|tmp|work|mnt|opt)/|[A-Za-z]:\\\\|site-packages|0x[0-9a-f]{6,}|ipykernel_\d+"
)
IMAGE_WITHOUT_ALT = re.compile(r"""!\[\s*\][(\[]|<img\b(?![^>]*\balt=(?:"[^"]+"|'[^']+'))""", re.IGNORECASE)


def problems(notebook: NotebookNode, executed: bool) -> list[str]:
    """Everything wrong with a built notebook, a sentence each; an empty list when it keeps all rules."""
    found = []
    for cell in notebook.cells:
        found += [f"{cell.id}: {problem}" for problem in cell_problems(cell, executed)]
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is not None and (lines := import_lines(first.source)) > MOST_IMPORT_LINES:
        found.append(f"{first.id}: {lines} lines of imports; {MOST_IMPORT_LINES} are allowed in the first cell")
    if "widgets" in notebook.metadata:
        found.append("it stores widget state")
    if executed:
        found += comparison_problems(notebook)
    size = len(json.dumps(notebook))
    if size > LARGEST_BYTES:
        found.append(f"it has {size:,} bytes; {LARGEST_BYTES:,} are allowed")
    return found


def cell_problems(cell: NotebookNode, executed: bool) -> list[str]:
    """What is wrong with one cell."""
    found = []
    if "solution" in cell.metadata:
        found.append("it says where its solution lies")
    if cell.cell_type == "markdown":
        if IMAGE_WITHOUT_ALT.search(cell.source):
            found.append("an image has no alternative text")
        words = sum(len(line.split()) for line in cell.source.splitlines() if not line.startswith("|"))
        if words > LONGEST_PROSE_WORDS:
            found.append(f"{words} words in one cell; {LONGEST_PROSE_WORDS} are allowed")
        return found
    if len(cell.source.splitlines()) > LONGEST_CODE_LINES:
        found.append(f"{len(cell.source.splitlines())} lines of code in one cell; {LONGEST_CODE_LINES} are allowed")
    if any(len(line) > LONGEST_CODE_COLUMNS for line in cell.source.splitlines()):
        found.append(f"a line of code is longer than {LONGEST_CODE_COLUMNS} characters: a reader would have to scroll")
    if not executed and (cell.outputs or cell.execution_count is not None):
        found.append("a learner's notebook has no outputs")
    for output, after in pairwise([*cell.outputs, None]):
        found += output_problems(output, after)
    return found


def import_lines(source: str) -> int:
    """How many lines of a cell import something."""
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return sum(node.end_lineno - node.lineno + 1 for node in imports)


def output_problems(output: NotebookNode, after: NotebookNode | None) -> list[str]:
    """What is wrong with one output; `after` is the one that follows it."""
    if output.output_type == "error":
        return [f"it fails with {output.ename}: {output.evalue}"]
    found = []
    data = output.get("data", {"text/plain": output.get("text", "")})
    if output.get("name") == "stderr":
        found.append(f"it writes to standard error: {output.text.strip()[:80]!r}")
    if any("widget" in kind for kind in data):
        found.append("it stores the live half of a widget")
    if match := PRIVATE.search(json.dumps({kind: text for kind, text in data.items() if kind != PLOTLY})):
        found.append(f"its output names the machine it ran on ({match[0]!r})")
    words = (after or {}).get("data", {}).get("text/html", "")
    if PLOTLY in data and 'class="mmf-alt"' not in words:
        found.append("a figure has no alternative text: show it with picture(figure)")
    if IMAGE_WITHOUT_ALT.search(data.get("text/html", "")):
        found.append("an image has no alternative text")
    if any(kind.startswith("image/") for kind in data):
        found.append("it stores an image; draw with picture(figure) instead")
    return found


def comparison_problems(notebook: NotebookNode) -> list[str]:
    """Ways in which comparing the outputs of this notebook would compare nothing."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        return ["not every cell was run once, in order: nbval would compare nothing there"]
    compared = [cell for cell in cells if cell.outputs and "nbval-ignore-output" not in cell.metadata.get("tags", [])]
    if 3 * len(compared) < len(cells):
        return [f"only {len(compared)} of {len(cells)} cells have an output to compare: show what the others found"]
    return []


def leaked_lines(notebook: NotebookNode, answers: Mapping[str, Callable]) -> list[str]:
    """Lines of the answers' bodies (each with the place where it lies) that stand in a notebook's code."""
    written = {line.strip() for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines()}
    leaked = []
    for place, answer in answers.items():
        body = inspect.getsource(answer).split('"""')[-1]
        lines = {line.partition("#")[0].strip() for line in body.splitlines()}
        leaked += [f"{place}: {line}" for line in sorted(lines & written) if len(line) >= TELLING]
    return leaked
