"""Notebook 11 in a browser: the machine is stepped through by mouse and by keyboard, and says what it does."""

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture
def stepper(open_notebook):
    """The widget, drawn; and the page."""
    page = open_notebook("11_counting_cycles")
    widget = page.get_by_role("group", name="A program, clock cycle by clock cycle").first
    widget.scroll_into_view_if_needed()
    return widget, page


def test_a_reader_steps_through_cycles_and_events_and_is_told_why_an_instruction_waits(stepper):
    widget, page = stepper
    said = widget.locator("p[role=status]")

    def press(name: str) -> str:
        widget.get_by_role("button", name=name, exact=True).click()
        return said.text_content()

    assert said.text_content().startswith("Cycle 0. ldv v0,x is issued")
    assert press("next cycle").startswith("Cycle 1. norm v0 waits for v0: ldv v0,x has it until cycle 10.")
    assert "load/store is in cycle 1 of 9 of ldv v0,x" in said.text_content()
    assert press("next event").startswith("Cycle 10. norm v0 is issued")
    registers = widget.get_by_role("table", name="Registers")
    assert "nothing yet" not in registers.get_by_role("row").first.text_content()
    assert "nothing yet" in registers.get_by_role("row").nth(1).text_content()
    assert press("previous cycle").startswith("Cycle 9. norm v0 waits for v0")
    assert press("previous event").startswith("Cycle 1. ")

    widget.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert said.text_content().startswith("Cycle 2. ")
    page.keyboard.press("End")
    assert said.text_content().endswith("All instructions are issued. The program is over.")
    assert "nothing yet" not in registers.text_content()
    page.keyboard.press("Home")
    assert said.text_content().startswith("Cycle 0. ")
