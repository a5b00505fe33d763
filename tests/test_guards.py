"""Each rule for notebooks: one that breaks it is told, and one that keeps all of them is not."""

import copy

import nbformat
import pytest
from fixtures.tiny import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mmf_teach.ternary.trits import require_trits
from mmf_teach.tools import guards

PLOTLY = guards.PLOTLY
WORDS = {"text/html": '<p class="mmf-alt">In words: it rises.</p>', "text/plain": "In words: it rises."}


def printed(text: str = "45\n", name: str = "stdout"):
    return new_output("stream", name=name, text=text)


def shown(**data):
    return new_output("display_data", {kind.replace("_", "/"): value for kind, value in data.items()})


def figure():
    return new_output("display_data", {PLOTLY: {"data": [], "layout": {}}, "text/plain": "A figure."})


def code(source: str = "print(45)", outputs=(), count: int | None = 1):
    return new_code_cell(source, id=f"00-{count or 0:03}", execution_count=count, outputs=list(outputs))


def executed(*cells) -> list[str]:
    """What the guards say of a solved notebook made of these cells, without the names of cells."""
    for number, cell in enumerate(cells):
        cell.id = f"00-{number:03}"
    return [problem.partition(": ")[2] if problem.startswith("00-") else problem
            for problem in guards.problems(new_notebook(cells=list(cells)), executed=True)]


def told_of(*outputs) -> list[str]:
    """What they say of one cell with these outputs."""
    return executed(code(outputs=outputs))


def prose(text: str) -> list[str]:
    return executed(new_markdown_cell(text, id="00-001"))


def test_a_notebook_that_keeps_all_rules_is_not_told_of():
    cells = [
        new_markdown_cell("# Title\n\n![A cat](cat.png) <img src='dog.png' alt=\"A dog\">\n\n" + "word " * 150),
        code("x = 1\n" * 19 + "x" * guards.LONGEST_CODE_COLUMNS, [printed("in /data/sweeps: 3 of 4 (0x1f)\n")], 1),
        code("picture(figure)", [figure(), new_output("display_data", WORDS)], 2),
        code("", count=None),
        code("writer", [new_output("display_data", {"text/plain": "A widget: run this cell."})], 3),
    ]
    assert executed(*cells) == []
    for cell in cells[1:]:
        cell.update(outputs=[], execution_count=None)
    assert guards.problems(new_notebook(cells=cells), executed=False) == []


def test_a_fault_is_told_with_the_name_of_its_cell():
    cells = [code(outputs=[printed()]), code("2", [printed("oh", name="stderr")], 2)]
    cells[1].id = "07-013"
    assert guards.problems(new_notebook(cells=cells), executed=True) == ["07-013: it writes to standard error: 'oh'"]


def test_all_faults_are_told_at_once():
    broken = new_notebook(cells=[new_markdown_cell("![](a)"), code("x" * 101)], metadata={"widgets": {}})
    assert len(guards.problems(broken, executed=True)) == 4


@pytest.mark.parametrize("image", [
    "![](cat.png)", "![ ](cat.png)", "![][cat]", '<img src="cat.png">', '<img src="cat.png" alt="">',
    '<img alt="A cat"> <img\nsrc="dog.png">', "<IMG src='cat.png'>",
])
def test_an_image_without_alternative_text_is_told(image):
    assert prose(f"A sentence.\n\n{image}\n") == ["an image has no alternative text"]
    if "<" in image:
        assert told_of(shown(text_html=image)) == ["an image has no alternative text"]


@pytest.mark.parametrize("image", ["![A cat](cat.png)", '<img alt="A cat" src="cat.png">', "<img alt='A cat'>"])
def test_an_image_with_alternative_text_is_not_told_of(image):
    assert prose(image) == []
    assert told_of(shown(text_html=image)) == []


def test_a_figure_is_followed_by_what_it_shows_in_words():
    said = ["a figure has no alternative text: show it with picture(figure)"]
    words = new_output("display_data", WORDS)
    assert told_of(figure(), words, figure(), words) == []
    assert told_of(figure()) == told_of(words, figure()) == told_of(figure(), figure(), words) == said
    assert told_of(figure(), shown(text_html="<p>It rises.</p>")) == said
    assert told_of(figure(), printed(), words) == said


@pytest.mark.parametrize("kind", ["image/png", "image/svg+xml"])
def test_a_stored_image_is_told(kind):
    said = told_of(new_output("display_data", {kind: "iVBO", "text/plain": "An image."}))
    assert said == ["it stores an image; draw with picture(figure) instead"]


def test_the_live_half_of_a_widget_is_told():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "A widget."}
    assert told_of(new_output("display_data", view)) == ["it stores the live half of a widget"]


@pytest.mark.parametrize("executed", [True, False])
def test_stored_widget_state_is_told(executed):
    notebook = new_notebook(cells=[new_markdown_cell("x")], metadata={"widgets": {"state": {}}})
    assert guards.problems(notebook, executed) == ["it stores widget state"]


@pytest.mark.parametrize("text", [
    "/home/anna/course/x.py", "/root/.cache", "/Users/anna/x", "/tmp/abc", "/work/anna/x", "/mnt/c/x", "/opt/conda/x",
    "C:\\Users\\anna", "lib/site-packages/torch", "<Thing at 0x7f3a2c4d5e60>", "ipykernel_1234/5.py",
])
def test_what_names_the_machine_is_told_wherever_an_output_says_it(text):
    problems = [told_of(printed(f"see {text}\n")), told_of(shown(text_plain=text)), told_of(shown(text_html=text))]
    for said, in problems:
        assert said.startswith("its output names the machine it ran on (")


@pytest.mark.parametrize("text", ["/api/home", "a/tmp.txt", "0x1f", "C: the letter", "ipykernel 7", "/homework/"])
def test_what_only_looks_like_it_is_not_told_of(text):
    assert told_of(printed(text)) == []


def test_numbers_in_a_figure_are_no_addresses():
    drawing = {"data": [{"text": "0xabcdef12"}], "layout": {}}
    assert told_of(new_output("display_data", {PLOTLY: drawing}), new_output("display_data", WORDS)) == []


def test_standard_error_and_errors_are_told_with_what_they_say():
    assert told_of(printed("UserWarning: old\n", name="stderr")) == ["it writes to standard error: 'UserWarning: old'"]
    failed = new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=[])
    assert told_of(printed(), failed) == ["it fails with ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(("source", "said"), [
    ("x = 1\n" * guards.LONGEST_CODE_LINES + "x", "21 lines of code in one cell; 20 are allowed"),
    ("x" * (guards.LONGEST_CODE_COLUMNS + 1),
     "a line of code is longer than 100 characters: a reader would have to scroll"),
])
def test_code_that_does_not_fit_on_a_page_is_told(source, said):
    assert executed(code(source, [printed()])) == [said]


def test_more_than_ten_lines_of_imports_in_the_first_cell_are_told_and_in_a_later_one_not():
    ten = "import a\n" * 7 + "from b import (\n    c,\n)"
    assert executed(code(ten, [printed()], 1), code("import a\n" * 11, [printed()], 2)) == []
    assert executed(code(f"{ten}\nimport d", [printed()])) == ["11 lines of imports; 10 are allowed in the first cell"]


def test_prose_that_nobody_reads_is_told_but_tables_may_be_long():
    assert prose("word " * guards.LONGEST_PROSE_WORDS) == []
    assert prose("word " * (guards.LONGEST_PROSE_WORDS + 1)) == ["161 words in one cell; 160 are allowed"]
    assert prose("| word " * 1000 + "|\n| word |") == []


@pytest.mark.parametrize("counts", [[None, None, None], [1, None, 2], [1, 3, 4], [2, 1, 3], [1, 2, 2], [2, 3, 4]])
def test_a_notebook_whose_cells_were_not_run_once_in_order_is_told(counts):
    cells = [code(outputs=[printed()], count=count) for count in counts]
    assert executed(*cells) == ["not every cell was run once, in order: nbval would compare nothing there"]


@pytest.mark.parametrize(("compared", "ignored", "silent", "fine"), [
    (1, 0, 2, True), (1, 0, 3, False), (0, 1, 1, False), (1, 2, 0, True), (0, 0, 1, False), (2, 2, 2, True),
])
def test_a_third_of_the_cells_have_an_output_that_is_compared(compared, ignored, silent, fine):
    cells = [code(outputs=[printed()]) for _ in range(compared + ignored)] + [code() for _ in range(silent)]
    for cell in cells[compared : compared + ignored]:
        cell.metadata["tags"] = ["nbval-ignore-output"]
    for count, cell in enumerate(cells, start=1):
        cell.execution_count = count
    told = [f"only {compared} of {len(cells)} cells have an output to compare: show what the others found"]
    assert executed(*cells) == ([] if fine else told)


@pytest.mark.parametrize("what", [{"outputs": [printed()]}, {"execution_count": 1}])
def test_a_learners_notebook_has_neither_outputs_nor_counts(what):
    cell = code(count=None)
    cell.update(what)
    said = [f"{cell.id}: a learner's notebook has no outputs"]
    assert guards.problems(new_notebook(cells=[cell]), executed=False) == said


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("cell", [new_markdown_cell("x", id="00-001"), code(count=None)])
def test_where_a_solution_lies_is_not_said(cell, executed):
    cell = copy.deepcopy(cell)
    cell.metadata["solution"] = "module:function"
    assert f"{cell.id}: it says where its solution lies" in guards.problems(new_notebook(cells=[cell]), executed)


def test_a_notebook_of_more_bytes_than_a_page_should_have_is_told():
    big = new_notebook(cells=[new_markdown_cell("x" * guards.LARGEST_BYTES, id="00-001")])
    said, = guards.problems(big, executed=False)
    assert said.startswith("it has 300,") and said.endswith("bytes; 300,000 are allowed")


ANSWER = "mmf_teach.ternary.trits:require_trits"
ANSWERS = {ANSWER: require_trits}


def leaked(source: str) -> list[str]:
    prose = new_markdown_cell("return values.astype(np.int8)")
    return guards.leaked_lines(new_notebook(cells=[prose, code(source)]), ANSWERS)


def test_a_line_of_an_answer_in_the_learners_code_is_told():
    line = "wrong = ~np.isin(values, (-1, 0, 1))"
    assert leaked(f"def mine(values):\n        {line}\n") == [f"{ANSWER}: {line}"]
    assert leaked(f"{line}\n    return values.astype(np.int8)\n{line}") == [
        f"{ANSWER}: return values.astype(np.int8)", f"{ANSWER}: {line}"]


def test_what_an_answer_shares_with_any_other_code_is_not_told():
    """Its head and its docstring are in the stub; short lines occur by chance; prose is no code."""
    head = "def require_trits(values: ndarray) -> Int8[ndarray, \"...\"]:"
    said = '    """The same values as int8; ValueError names the first one that is not -1, 0 or 1."""'
    assert leaked(f"{head}\n{said}\n    if wrong.any():\n    ...") == []
    assert guards.leaked_lines(new_notebook(cells=[code("wrong = ~np.isin(values, (-1, 0, 1))")]), {}) == []


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_of_the_course_keeps_all_rules(path):
    assert guards.problems(nbformat.read(path, 4), executed=False) == []
    assert guards.problems(nbformat.read(path.parent / "solved" / path.name, 4), executed=True) == []
