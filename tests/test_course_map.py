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
    sources = {source.stem for source in build.sources()}
    assert sources == {lesson.name for lesson in course_map.lessons() if lesson.written}
    assert {path.stem for path in (NOTEBOOKS / "source").glob("*.py")} == sources


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
