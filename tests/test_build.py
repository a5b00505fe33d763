"""One source gives two notebooks, the same bytes each time."""

import json
import sys
from types import SimpleNamespace

import nbformat
import pytest
from fixtures.tiny import ROOT

from mmf_teach.__main__ import main
from mmf_teach.lesson import folders
from mmf_teach.tools import build

SOURCE = '''# %% [markdown] part="I Small" build="nothing"
# # 90 Small
#
# **Claim.** It is small.
#
# {{course_map}}

# %%
import time

import numpy as np

from mmf_teach.lesson import count_bars, picture, style
from mmf_teach.lesson.widgets.explorer import Explorer

rng = np.random.default_rng(0)
rng.integers(0, 100, 5).tolist()

# %%
colours = {"left": style.BLUE, "right": style.ORANGE}
picture(count_bars({"left": 3, "right": 1400}, colours, "Right wins", "votes"))

# %%
class Nothing(Explorer):
    _esm = "export default { render() {} }"
    sentence = "Nothing to see: run this cell."


Nothing()

# %% tags=["measured"] editable=false
print(time.time())

# %% solution="mmf_teach.ternary.trits:require_trits"
def my_trits(values):
    ...

# %%
my_trits(np.array([1, 0, -1])).dtype

# %% solution="mmf_teach.ternary.trits:require_trits"
def require_trits(values):
    ...

# %%
print(require_trits is my_trits)
'''
HEAD = '# %% [markdown] part="I Small" build="nothing"\n# # 91 Other\n#\n# **Claim.** It is small.\n\n'


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A course of one source."""
    path = tmp_path_factory.mktemp("course") / "source" / "90_small" / "notebook.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE, "utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def this_copy():
    """Kernels import the project that is being tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture(scope="module")
def built(small):
    return build.build(small)


@pytest.fixture(scope="module")
def learner(built):
    return nbformat.reads(next(iter(built.values())).decode("utf-8"), 4)


@pytest.fixture(scope="module")
def solved(built):
    return nbformat.reads(list(built.values())[1].decode("utf-8"), 4)


def only(source: str, tmp_path):
    """A course of this one source."""
    path = tmp_path / "source" / "91_other" / "notebook.py"
    path.parent.mkdir(parents=True)
    path.write_text(source, "utf-8")
    return path


def test_the_same_source_gives_the_same_bytes(small, built):
    assert build.build(small) == built
    assert list(built) == [small.parents[2] / "90_small.ipynb", small.parents[2] / "solved" / "90_small.ipynb"]
    assert not any(path.exists() for path in built)


def test_cells_are_numbered_in_both_notebooks_alike(learner, solved):
    names = [f"90-{number:03}" for number in range(9)]
    assert [cell.id for cell in learner.cells] == [cell.id for cell in solved.cells] == names


def test_keys_stand_in_order_one_to_a_line_and_letters_as_they_are(built):
    for content in built.values():
        document = json.loads(content)
        assert content.decode("utf-8") == json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        assert document["metadata"]["language_info"] == {"name": "python"} and "widgets" not in document["metadata"]


def test_the_learners_copy_has_stubs_and_nothing_that_was_found_out(learner):
    cells = [cell for cell in learner.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert cells[4].source == "def my_trits(values):\n    ..."
    assert all(set(cell.metadata) <= {"tags"} for cell in learner.cells)


def test_the_solved_copy_imports_the_answers_under_the_names_of_the_stubs(solved):
    assert solved.cells[5].source == "from mmf_teach.ternary.trits import require_trits as my_trits"
    assert solved.cells[7].source == "from mmf_teach.ternary.trits import require_trits"
    assert solved.cells[6].outputs[0].data["text/plain"] == "dtype('int8')"
    assert solved.cells[8].outputs[0].text == "True\n"
    assert all("solution" not in cell.metadata for cell in solved.cells)


def test_every_cell_was_run_once_in_order(solved):
    counts = [cell.execution_count for cell in solved.cells if cell.cell_type == "code"]
    assert counts == list(range(1, 9))


def test_what_is_measured_is_replaced_by_a_sentence_and_not_compared(learner, solved):
    said, = solved.cells[4].outputs
    assert (said.output_type, said.name, said.text) == ("stream", "stdout", build.MEASURED)
    assert learner.cells[4].metadata == solved.cells[4].metadata == {"tags": ["measured", "nbval-ignore-output"]}


def test_a_figure_is_stored_to_be_drawn_and_in_words(solved):
    figure, words = solved.cells[2].outputs
    drawing = figure.data["application/vnd.plotly.v1+json"]
    assert drawing["data"][0]["x"] == [3, 1400] and figure.data["text/plain"] == "A figure."
    assert "left: 3; right: 1,400" in words.data["text/plain"] and 'class="mmf-alt"' in words.data["text/html"]


def test_a_widget_is_stored_as_its_sentence_alone(solved):
    widget, = solved.cells[3].outputs
    assert dict(widget.data) == {"text/plain": "Nothing to see: run this cell."}


def test_what_is_printed_in_pieces_is_joined_unless_something_else_comes_between():
    def printed(text, name="stdout"):
        return nbformat.v4.new_output("stream", name=name, text=text)

    shown = nbformat.v4.new_output("display_data", {"text/plain": "A figure."})
    pieces = [printed("a\n"), printed("b\n"), printed("c\n", "stderr"), printed("d\n"), shown, printed("e\n")]
    assert build.clean(pieces) == [printed("a\nb\n"), printed("c\n", "stderr"), printed("d\n"), shown, printed("e\n")]


def test_the_map_of_the_course_is_put_in_its_place(learner):
    assert "{{course_map}}" not in learner.cells[0].source
    assert "[00 start here](00_start_here.ipynb)" in learner.cells[0].source


@pytest.mark.parametrize(("cell", "said"), [
    ("1 / 0", "91_other fails"),
    ("import ipywidgets\nb = ipywidgets.Button()\nb.on_click(lambda _: 1 / 0)\nb.click()", "ZeroDivisionError"),
    ("import sys\nprint('oh', file=sys.stderr)", "91-000: it writes to standard error: 'oh'"),
], ids=["a cell", "a callback", "standard error"])
def test_a_source_that_fails_or_breaks_a_rule_is_told_and_nothing_is_written(tmp_path, cell, said):
    source = only(f"# %%\n{cell}\n", tmp_path)
    with pytest.raises(ValueError, match="91_other") as told:
        build.build_all([source], False, lambda done, text: None)
    assert said in str(told.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [source]


def test_an_answer_that_stands_in_the_learners_copy_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "execute", lambda notebook, source: notebook)
    line = "wrong = ~np.isin(values, (-1, 0, 1))"
    stub = f'# %% solution="mmf_teach.ternary.trits:require_trits"\ndef require_trits(values):\n    {line}\n'
    with pytest.raises(ValueError, match=r"the answer is given away: mmf_teach\.ternary\.trits:require_trits"):
        build.build(only(stub, tmp_path))


def test_an_answer_that_is_gone_from_the_library_is_noticed(tmp_path):
    stub = '# %% solution="mmf_teach.ternary.trits:no_such_answer"\ndef mine(values):\n    ...\n'
    source = only(stub, tmp_path)
    with pytest.raises(AttributeError, match="no_such_answer"):
        build.answered(build.read(source), source)


def test_an_answer_that_lies_beside_the_source_is_fetched_from_there(tmp_path, monkeypatch):
    source = only('# %% solution="exercises:law"\ndef mine(values):\n    ...\n', tmp_path)
    exercises = SimpleNamespace(law=lambda values: True)
    monkeypatch.setattr(folders, "exercises", lambda number: {"91": exercises}[number])
    solved, = build.answered(build.read(source), source).cells
    assert solved.source == 'from mmf_teach.lesson import exercises\n\nmine = exercises("91").law'
    assert build.answer("exercises:law", source) is exercises.law


def test_a_machine_that_cannot_build_is_told_what_would(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(ValueError, match=r"^building notebooks needs the test extra: .* sets it up$"):
        build.build(small)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A project whose only source is a sum; its parts that `mmf build` looks for."""
    source = only(HEAD + "# %%\n1 + 1\n", tmp_path / "notebooks")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- map -->\n<!-- /map -->\n", "utf-8")
    monkeypatch.setattr(folders, "SOURCES", source.parents[1])
    monkeypatch.setattr(build, "README", readme)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    return source


def test_build_writes_what_differs_and_check_only_says_so(course, tmp_path, capsys):
    """Green when all is as its source gives it, red as soon as a source, a notebook or the README changes."""
    names = ["README.md", "notebooks/91_other.ipynb", "notebooks/solved/91_other.ipynb"]
    assert main(["build", "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [f"{n}: not what its source gives; run `mmf build`" for n in names]
    assert [path for path in tmp_path.rglob("*.ipynb")] == []
    assert main(["build"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: written" for name in names]
    assert main(["build", "--check"]) == 0 and main(["build", "91"]) == 0
    assert capsys.readouterr().out == ""
    before = {name: (tmp_path / name).read_bytes() for name in names}
    course.write_text(HEAD + "# %%\n1 + 2\n", "utf-8")
    assert main(["build", "--check", "91"]) == 1
    assert capsys.readouterr().out.count("not what its source gives") == 2
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_sources_are_found_in_the_order_of_the_course_and_chosen_by_how_they_begin(course, monkeypatch, capsys):
    for name, text in {"10_b": HEAD + "# %%\n0\n", "02_c": HEAD + "# %%\n0\n", "03_to_come": HEAD, "notes": ""}.items():
        (course.parents[1] / name).mkdir()
        (course.parents[1] / name / "notebook.py").write_text(text, "utf-8")
    assert [source.parent.name for source in build.sources()] == ["02_c", "10_b", "91_other"]
    chosen = []
    monkeypatch.setattr(build, "build", lambda source: chosen.append(source.parent.name) or {})
    assert main(["build", "9", "02"]) == 0 and chosen == ["02_c", "91_other"]
    assert main(["build", "1_b"]) == 1 and "begins with 1_b" in capsys.readouterr().err


@pytest.mark.parametrize("source", build.sources(), ids=lambda source: source.parent.name)
def test_every_notebook_of_the_course_has_the_cells_that_its_source_gives(source):
    """Without running them: nbval compares the outputs, and `mmf build --check` every byte."""
    plain = build.read(source)
    learner, solved = build.targets(source)
    assert learner.read_bytes() == build.to_bytes(build.learners(plain))
    stored = nbformat.read(solved, 4)
    for cell in stored.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    assert build.to_bytes(stored) == build.to_bytes(build.answered(plain, source))
