"""The table of contents of the course, from notebooks/course.toml."""

import tomllib
from dataclasses import dataclass

from mmf_teach.paths import ROOT


@dataclass(frozen=True)
class Lesson:
    name: str
    part: str
    claim: str
    build: str

    @property
    def written(self) -> bool:
        """Whether the notebook is there yet."""
        return (ROOT / "notebooks" / "source" / f"{self.name}.py").exists()


def lessons() -> list[Lesson]:
    """All notebooks of the course, in order."""
    table = tomllib.loads((ROOT / "notebooks" / "course.toml").read_text("utf-8"))
    return [Lesson(**row) for row in table["notebook"]]


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
