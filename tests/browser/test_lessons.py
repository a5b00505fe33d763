"""A lesson as its reader works through it: guesses, quizzes, wrong and right answers, lines to put in order."""

import pytest

from mmf_teach.lesson.exercise import exercise
from mmf_teach.lesson.parsons_problem import in_disorder

pytestmark = pytest.mark.browser
MULTIPLIES = """def ternary_dot(trits, codes):
return sum(t * c for t, c in zip(trits, codes))"""          # the editor indents by itself
ADDS = """def ternary_dot(trits, codes):
return sum(c for t, c in zip(trits, codes) if t == 1) - sum(c for t, c in zip(trits, codes) if t == -1)"""


@pytest.fixture
def page(open_notebook):
    return open_notebook("02_three_values_are_enough")


def cell_with(page, words: str):
    """The code cell whose source holds these words."""
    return page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea-editor", has_text=words)).first


def run(page, cell) -> None:
    """Run a cell by keyboard and wait until it has run."""
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.text_content()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([prompt, before]) => /\\d/.test(prompt.textContent) && prompt.textContent !== before",
        arg=[prompt.element_handle(), before], timeout=60_000, polling=250)


def answer(page, text: str):
    """Write a function into the stub of 02.1, run it and its check; what the check says."""
    stub = cell_with(page, "def ternary_dot")
    stub.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    run(page, stub)
    check = cell_with(page, 'check("02.1"')
    run(page, check)
    return check.locator("[role=status]").text_content()


def test_a_reader_guesses_answers_errs_and_passes(page):
    guess = page.get_by_role("group", name="Your prediction").first
    guess.scroll_into_view_if_needed()
    guess.get_by_role("textbox").fill("0.5")
    guess.get_by_role("button", name="Commit").click()
    guess.get_by_text("Committed").wait_for(timeout=20_000)
    revealing = cell_with(page, 'reveal("02.p1"')
    run(page, revealing)
    assert "0.5" in revealing.locator(".jp-OutputArea").text_content()
    assert "0.89" in revealing.locator(".jp-OutputArea").text_content()

    quiz = page.get_by_role("group", name="Questions").first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_role("radio").first.check()
    assert len(quiz.get_by_role("status").text_content().split()) > 4

    assert "todo" in cell_with(page, 'check("02.1"').locator("[role=status]").text_content()
    assert "You multiply, and the inputs of this check refuse that" in answer(page, MULTIPLIES)
    assert "02.1 passed" in answer(page, ADDS)

    lines = list(exercise("02.7").lines)
    shown = in_disorder(exercise("02.7"))
    order = page.get_by_role("group", name="Lines to put in order").first
    order.scroll_into_view_if_needed()
    for place, line in enumerate(lines):     # bring each line up to its place, button by button
        at = shown.index(line, place)
        for step in range(at, place, -1):
            order.get_by_role("listitem").nth(step).get_by_role("button").first.click()
            shown[step - 1], shown[step] = shown[step], shown[step - 1]
    order.get_by_role("button", name="Check").click()
    order.get_by_text("02.7 passed").wait_for(timeout=20_000)
