"""The table of contents of the course, from the first cell of each lesson's notebook."""

import re
from dataclasses import dataclass
from pathlib import Path

from mmf_teach.lesson import folders

HEAD = re.compile(
    r'# %% \[markdown\] part="(?P<part>[^"\n]+)" build="(?P<build>[^"\n]+)"\n'
    r"# # .+\n"                              # the title, which is also the folder's name
    r"#\n"
    r"# \*\*Claim\.\*\* (?P<claim>.+(?:\n# .+)*)\n"
)


@dataclass(frozen=True)
class Lesson:
    name: str                                # of its folder and its notebooks
    part: str
    claim: str                               # what the reader can check at the end of the notebook
    build: str                               # what they make on the way
    written: bool                            # False while the notebook is its first cell only: to come


def lessons() -> list[Lesson]:
    """All lessons of the course, in order. ValueError names one whose first cell lacks something."""
    return [read(path) for path in folders.files("notebook.py").values()]


def read(notebook: Path) -> Lesson:
    """What the source of a notebook says of itself."""
    name, text = notebook.parent.name, notebook.read_text("utf-8")
    head = HEAD.match(text)
    if head is None:
        raise ValueError(f"{name}/notebook.py must begin with part, build, title and claim, as CONTRIBUTING.md shows")
    claim = head["claim"].replace("\n# ", " ")
    return Lesson(name, head["part"], claim, head["build"], written="\n# %%" in text)


def markdown(folder: str = "") -> str:
    """The course as a Markdown table; titles of notebooks that are written are links, `folder` before each."""
    rows = ["| part | notebook | what you can check at its end | what you build |", "|---|---|---|---|"]
    part = None
    for lesson in lessons():
        number, title = lesson.name[:2], lesson.name[3:].replace("_", " ")
        link = f"[{number} {title}]({folder}{lesson.name}.ipynb)" if lesson.written else f"{number} {title} (to come)"
        rows.append(f"| {lesson.part if lesson.part != part else ''} | {link} | {lesson.claim} | {lesson.build} |")
        part = lesson.part
    return "\n".join(rows)


def into_readme(text: str) -> str:
    """The text of README.md with the map between its two marks brought up to date; ValueError without both."""
    before, begin, rest = text.partition("<!-- map -->\n")
    _, end, after = rest.partition("<!-- /map -->")
    if not end:
        raise ValueError("README.md lacks <!-- map --> on a line of its own, or <!-- /map --> after it")
    return f"{before}{begin}{markdown('notebooks/')}\n{end}{after}"
