"""How far the reader is comes from the ledger alone, as a table, as HTML and as a file for a teacher."""

import json
import re

import pytest
from fixtures.tiny import mmf

from mmf_teach.__main__ import main
from mmf_teach.lesson import course_map, folders, ledger, progress_page, quiz
from mmf_teach.lesson.progress_page import Panel, export, rows


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    """A ledger of its own for every test."""
    monkeypatch.setenv("MMF_LEDGER", str(tmp_path / "ledger.jsonl"))
    return tmp_path / "ledger.jsonl"


def row(number: str) -> progress_page.Row:
    return next(row for row in rows() if row.notebook.startswith(number))


def worked_through():
    """Two passes of one exercise, one of another, failures, answers, guesses, and things of no known notebook."""
    states = [("01.1", "not yet"), ("01.1", "passed"), ("01.1", "passed"), ("01.2", "todo"), ("01.6", "passed")]
    for name, state in states:
        ledger.record("check", id=name, state=state)
    for name, right in [("01.a", False), ("01.a", True), ("01.b", True)]:
        ledger.record("answer", id=name, choice=0, right=right)
    for name in ("01.a", "01.a", "01.b", "02.a"):
        ledger.record("prediction", id=name, guess=3.0)
    ledger.record("hint", id="01.1", number=1)
    ledger.record("check", id="99.1", state="passed")
    ledger.record("answer", id="99.a", right=True)


def test_a_new_reader_has_everything_to_do():
    for number in folders.files("exercises.py"):
        mine = row(number)
        assert (mine.passed, mine.answered, mine.right, mine.predictions) == (0, 0, 0, 0)
        assert mine.exercises >= 5 and mine.questions == len(quiz.of(int(number)))
    written = [lesson.name for lesson in course_map.lessons() if lesson.written]
    assert [each.notebook for each in rows()] == written


def test_each_exercise_counts_once_and_each_question_by_its_first_answer():
    worked_through()
    mine = row("01")
    assert (mine.passed, mine.answered, mine.right, mine.predictions) == (2, 2, 1, 2)
    assert (row("02").passed, row("02").predictions) == (0, 1)


def test_lines_that_are_damaged_or_from_elsewhere_change_nothing(file):
    worked_through()
    before = rows()
    with open(file, "ab") as lines:
        lines.write(b'{"kind": "check", "state": "passed"}\nnot json\n{"kind": "answer", "id": ["01.c"], "time": ""}\n')
    assert rows() == before


def test_the_panel_is_the_same_table_as_text_and_as_html():
    worked_through()
    panel = Panel()
    text = repr(panel).splitlines()
    assert len(text) == len(rows()) + 1 and len({len(line) for line in text}) == 1
    for cells in [Panel.TITLES, *panel.cells()]:
        assert any(all(cell in line for cell in cells) for line in text)
    page = panel._repr_html_()
    assert re.findall(r"<th[^>]*>(.*?)</th>", page) == list(Panel.TITLES)
    assert re.findall(r"<td[^>]*>(.*?)</td>", page) == [cell for cells in panel.cells() for cell in cells]
    assert f"2 of {row('01').exercises}" in page and f"1 of 2 answered ({row('01').questions} in all)" in page


def test_what_a_teacher_gets_is_the_rows_and_what_the_ledger_holds_and_nothing_else(file):
    worked_through()
    document = export("Ada")
    assert document["name"] == "Ada" and document["course"] == "mmf-teach"
    kinds = {"predictions": "prediction", "answers": "answer", "checks": "check", "hints": "hint"}
    assert set(document) == {"course", "name", "exported", "notebooks", *kinds}
    for name, kind in kinds.items():
        assert document[name] == ledger.entries(kind)
    assert next(each for each in document["notebooks"] if each["notebook"].startswith("01"))["passed"] == 2
    assert json.loads(json.dumps(document)) == document


def test_the_command_prints_the_panel_or_the_document_or_writes_it(capsys, tmp_path):
    worked_through()
    assert main(["progress"]) == 0 and capsys.readouterr().out == repr(Panel()) + "\n"
    assert main(["progress", "--json", "--name", "Ada"]) == 0
    printed = json.loads(capsys.readouterr().out)
    target = tmp_path / "new" / "ada.json"
    assert main(["progress", "--export", str(target), "--name", "Ada"]) == 0
    assert capsys.readouterr().out == f"{target}: written\n"
    kept = json.loads(target.read_text("utf-8"))
    for document in (printed, kept):
        document.pop("exported")
    assert kept == printed and kept["name"] == "Ada" and target.read_text("utf-8").endswith("\n")


def test_a_place_that_cannot_be_written_is_an_error_in_a_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("", "utf-8")
    assert main(["progress", "--export", str(tmp_path / "file" / "below.json")]) == 1
    assert "mmf progress:" in capsys.readouterr().err


def test_the_command_reads_the_ledger_that_the_environment_names(file):
    worked_through()
    done = mmf("progress", MMF_LEDGER=str(file))
    assert done.returncode == 0 and f"2 of {row('01').exercises}" in done.stdout and done.stderr == ""
    assert "2 of" not in mmf("progress", MMF_LEDGER="").stdout
