"""The comparison in a browser: what the script computes is what the library says, at the keyboard and at a click."""

import pytest

from mmf_teach.cost.comparison import MATMUL_FREE_LOSES, Setting, compare
from mmf_teach.lesson.widgets import explorer
from mmf_teach.lesson.widgets.compare import Compare

TRAITS = ("free", "twins", "sizes", "contexts", "batches", "memories", "table", "start", "losing")
DRAW = """async ([script, traits]) => {
  const { render } = (await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })))).default;
  const heard = [], model = { get: (name) => traits[name], on: (...each) => heard.push(each), off: () => heard.pop() };
  const place = document.body.appendChild(document.createElement("div"));
  window.drawn = { close: render({ model, el: place }), place, heard };
}"""
SHOWN = """() => ({
  bars: [...drawn.place.querySelectorAll("table")[0].querySelectorAll("tr")].map((row) => ({
    name: row.querySelector("th").textContent, value: row.querySelector("td").textContent,
    widths: [...row.querySelectorAll(".mmf-bar")].map((bar) => parseFloat(bar.style.width)) })),
  rows: [...drawn.place.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
  said: drawn.place.querySelector("[role=status]").textContent,
  ids: document.querySelectorAll("[id]").length })"""


@pytest.fixture
def page(browser):
    """The widget on a page of its own, as its traits have it."""
    page, widget = browser.new_page(), Compare()
    page.add_style_tag(path=explorer.HERE / "explorer.css")
    page.evaluate(DRAW, [explorer.script("compare"), {name: getattr(widget, name) for name in TRAITS}])
    yield page
    page.close()


def shown_as(value: float) -> str:
    """A number with three digits, thousands apart, as the script writes it."""
    return f"{float(f'{value:.3g}'):,.3f}".rstrip("0").rstrip(".")


def agrees(shown: dict, setting: Setting) -> None:
    """Everything on the page is what the library computes for this setting."""
    accounts = compare(setting)
    longest = max(one.total.value for one in accounts)
    for bar, one in zip(shown["bars"], accounts, strict=True):
        ends = [shown_as(getattr(one.total, end)) for end in ("value", "low", "high")]
        assert bar["name"] == one.name and bar["value"] == f"{ends[0]} µJ ({ends[1]} to {ends[2]})"
        wanted = [100 * part.value / longest for part in one.microjoules.values()]
        assert bar["widths"] == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    cells = {row[0]: row[1:] for row in shown["rows"]}
    for kind in accounts[0].operations:
        assert cells[kind] == [f"{one.operations[kind]:,}" for one in accounts]
    most = max(accounts, key=lambda one: one.total.value)
    assert shown["said"].startswith(f"{most.name} needs ")


def test_it_opens_with_the_default_and_agrees_with_the_library(page):
    agrees(page.evaluate(SHOWN), Setting())
    assert page.evaluate(SHOWN)["ids"] == 0


def test_one_click_shows_where_matmul_free_does_not_win_and_another_goes_back(page):
    page.get_by_role("button", name="does not win").click()
    shown = page.evaluate(SHOWN)
    agrees(shown, MATMUL_FREE_LOSES)
    assert shown["said"].startswith("MatMul-free")
    page.get_by_role("button", name="Back").click()
    agrees(page.evaluate(SHOWN), Setting())


def test_every_choice_can_be_made_at_the_keyboard(page):
    page.get_by_role("slider", name="tokens of context").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    agrees(page.evaluate(SHOWN), Setting(context=128))
    page.get_by_role("slider", name="sequences in the batch").focus()
    page.keyboard.press("ArrowRight")
    agrees(page.evaluate(SHOWN), Setting(context=128, batch=2))
    for label, choice in (("model", "MatMul-free, dense products"), ("its twin", "Transformer++, int8"),
                          ("size", "13B"), ("weights and state lie in", "HBM2")):
        page.get_by_role("combobox", name=label, exact=True).select_option(choice)
    agrees(page.evaluate(SHOWN), Setting("MatMul-free, dense products", "Transformer++, int8", "13B", 128, 2, "HBM2"))


def test_it_listens_to_nothing_when_it_is_gone(page):
    assert page.evaluate("() => { drawn.close(); return drawn.heard.length; }") == 0
