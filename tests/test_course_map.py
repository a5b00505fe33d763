"""The map of the course agrees with the notebooks that are there."""

import re

import pytest
from fixtures.tiny import ROOT

from mmf_teach.lesson import course_map
from mmf_teach.tools import build

NOTEBOOKS = ROOT / "notebooks"


def links(markdown: str) -> list[tuple[str, str]]:
    return re.findall(r"\[([^\]]+)\]\(([^)]+)\)", markdown)


def test_the_course_has_eighteen_lessons_numbered_in_order():
    names = [lesson.name for lesson in course_map.lessons()]
    assert [name[:3] for name in names] == [f"{number:02}_" for number in range(18)]
    assert len(set(names)) == 18 and all(re.fullmatch(r"[0-9]{2}(_[a-z0-9]+)+", name) for name in names)


def test_parts_follow_one_another_and_every_lesson_makes_a_claim():
    lessons = course_map.lessons()
    parts = [lesson.part for lesson in lessons]
    assert parts == sorted(parts, key=parts.index)
    assert list(dict.fromkeys(parts)) == ["Start", "I Arithmetic", "II Model", "III Machine", "IV Judgement"]
    assert all(lesson.claim.endswith(".") and lesson.build and "|" not in lesson.claim + lesson.build
               for lesson in lessons)


def test_every_source_is_a_lesson_and_knows_whether_it_is_written():
    sources = {source.parent.name for source in build.sources()}
    assert sources == {lesson.name for lesson in course_map.lessons() if lesson.written}
    assert sources == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}


def test_every_folder_is_a_lesson_and_holds_nothing_that_nobody_reads():
    folders = [path for path in (NOTEBOOKS / "source").iterdir() if path.name != "__pycache__"]
    assert {path.name for path in folders} == {lesson.name for lesson in course_map.lessons()}
    known = {"notebook.py", "exercises.py", "questions.toml", "__pycache__"}
    assert {path.name for folder in folders for path in folder.iterdir()} <= known


@pytest.mark.parametrize("lesson", course_map.lessons(), ids=lambda lesson: lesson.name)
def test_a_lesson_has_one_title_for_its_folder_and_its_notebook(lesson):
    head = (NOTEBOOKS / "source" / lesson.name / "notebook.py").read_text("utf-8").splitlines()[1]
    title = head.removeprefix("# # ").replace("Start here", "00 start here")
    assert title.lower().replace(" ", "_") == lesson.name


HEAD = """# %% [markdown] part="II Model" build="a GRU; step = scan"
# # 05 A title
#
# **Claim.** It holds,
# always.
"""


@pytest.mark.parametrize("rest", ["", "#\n# More.\n", "#\n# More.\n\n# %%\n1 + 1\n"])
def test_a_new_folder_is_a_new_row_and_to_come_while_it_has_a_first_cell_only(tmp_path, rest):
    (tmp_path / "05_a_title").mkdir()
    (tmp_path / "05_a_title" / "notebook.py").write_text(HEAD + rest, "utf-8")
    said = ("05_a_title", "II Model", "It holds, always.", "a GRU; step = scan")
    assert course_map.read(tmp_path / "05_a_title" / "notebook.py") == course_map.Lesson(*said, "%%" in rest)


@pytest.mark.parametrize("lacking", [
    ' part="II Model"', ' build="a GRU; step = scan"', "# # 05 A title\n", "**Claim.** ",
])
def test_a_head_that_lacks_something_is_told_with_its_folder(tmp_path, lacking):
    (tmp_path / "05_a_title").mkdir()
    (tmp_path / "05_a_title" / "notebook.py").write_text(HEAD.replace(lacking, ""), "utf-8")
    with pytest.raises(ValueError, match=r"^05_a_title/notebook.py must begin with part, build, title and claim"):
        course_map.read(tmp_path / "05_a_title" / "notebook.py")


@pytest.mark.parametrize("folder", ["", "notebooks/"])
def test_a_row_is_a_link_exactly_when_its_notebook_is_there(folder):
    lessons, (head, rule, *rows) = course_map.lessons(), course_map.markdown(folder).splitlines()
    assert len(rows) == len(lessons) and {row.count("|") for row in (head, rule, *rows)} == {5}
    for lesson, row in zip(lessons, rows, strict=True):
        title = lesson.name.replace("_", " ")
        assert lesson.claim in row and lesson.build in row and title in row
        if lesson.written:
            assert links(row) == [(title, f"{folder}{lesson.name}.ipynb")]
            assert (NOTEBOOKS / f"{lesson.name}.ipynb").exists()
            assert (NOTEBOOKS / "solved" / f"{lesson.name}.ipynb").exists()
        else:
            assert links(row) == [] and "(to come)" in row


def test_each_part_is_named_once():
    rows = course_map.markdown().splitlines()[2:]
    named = [part for row in rows if (part := row.split("|")[1].strip())]
    assert named == list(dict.fromkeys(lesson.part for lesson in course_map.lessons()))


def test_the_map_goes_between_its_marks_and_nothing_else_changes():
    text = "before\n<!-- map -->\nold\n<!-- /map -->\nafter\n"
    new = course_map.into_readme(text)
    assert new == f"before\n<!-- map -->\n{course_map.markdown('notebooks/')}\n<!-- /map -->\nafter\n"
    assert course_map.into_readme(new) == new


@pytest.mark.parametrize("text", ["no marks\n", "<!-- map -->\nno end\n", "no beginning\n<!-- /map -->\n"])
def test_a_readme_without_both_marks_is_refused_rather_than_cut(text):
    with pytest.raises(ValueError, match="README"):
        course_map.into_readme(text)
