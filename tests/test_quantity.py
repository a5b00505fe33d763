"""A number without unit, kind or source is an error that names its entry; one with them shows them everywhere."""

import re
from dataclasses import FrozenInstanceError
from html.parser import HTMLParser

import pytest

from mmf_teach import quantity
from mmf_teach.paths import DATA
from mmf_teach.quantity import KINDS, Quantity, QuantityTable, load, read

TABLES = sorted(path for folder in ("energy", "quality", "machine") for path in (DATA / folder).glob("*.toml"))
WHOLE = {"value": 0.1, "unit": "pJ/operation", "kind": "quoted", "source": "Somebody, 2014, p. 10"}
pytestmark = pytest.mark.usefixtures("without_type_checks")
HOSTILE = "<script>'\"&"


def written(tmp_path, rows: dict[str, dict]):
    """A TOML file of these entries."""
    path = tmp_path / "table.toml"
    lines = []
    for name, row in rows.items():
        values = {key: str(value).lower() if isinstance(value, bool) else repr(value) for key, value in row.items()}
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]
    path.write_text("\n".join(lines), "utf-8")
    return path


def text(source: str) -> str:
    """What a reader of the HTML sees."""
    said = []
    parser = HTMLParser()
    parser.handle_data = said.append
    parser.feed(source)
    return " ".join("".join(said).split())


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_table_of_the_course_loads_and_each_number_says_what_it_is(path):
    table = read(path)
    assert table
    for name, number in table.items():
        assert number.kind in KINDS and number.unit and len(number.source.split()) >= 3, name
        assert number.label in str(number) and number.unit in str(number) and number.source in repr(number)
        assert number.value > 0 and name == name.lower()
        if number.unit == "pJ/operation":
            assert number.node, f"{name}: the energy of arithmetic depends on the process"


@pytest.mark.parametrize("missing", WHOLE)
def test_an_entry_that_lacks_something_is_named_with_what_it_lacks(tmp_path, missing):
    row = {key: value for key, value in WHOLE.items() if key != missing}
    with pytest.raises(ValueError, match=rf"table\.toml: \[bad\] lacks {missing}"):
        read(written(tmp_path, {"good": WHOLE, "bad": row}))


def test_all_that_is_missing_is_said_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"\[bad\] lacks unit and kind and source"):
        read(written(tmp_path, {"bad": {"value": 1}}))


@pytest.mark.parametrize(("change", "said"), [
    ({"unit": ""}, "needs a unit and a source"), ({"source": ""}, "needs a unit and a source"),
    ({"kind": "guessed"}, "must be one of quoted, measured, simulated, modelled, not 'guessed'"),
    ({"kind": ""}, "the kind must be one of"), ({"value": "0.1"}, "must be a number, not '0.1'"),
    ({"value": True}, "must be a number, not True"), ({"low": 0.05}, "must have both ends"),
    ({"high": 0.5}, "must have both ends"), ({"low": 0.2, "high": 0.3}, "and hold 0.1"),
    ({"low": 0.01, "high": 0.05}, "and hold 0.1"), ({"low": 0.3, "high": 0.01}, "and hold 0.1"),
    ({"sauce": "x"}, "has an unknown sauce"), ({"Unit": "x"}, "has an unknown Unit"),
    ({"value": [1]}, "must be a number"), ({"low": "a", "high": "b"}, ""),
])
def test_an_entry_that_makes_no_sense_is_named_with_the_reason(tmp_path, change, said):
    with pytest.raises(ValueError, match=r"table\.toml: \[bad\]") as caught:
        read(written(tmp_path, {"good": WHOLE, "bad": WHOLE | change}))
    assert said in str(caught.value)


def test_a_bare_number_is_no_entry(tmp_path):
    path = tmp_path / "table.toml"
    path.write_text("bad = 0.1\n", "utf-8")
    with pytest.raises(ValueError, match=r"\[bad\] is no table of value, unit, kind and source"):
        read(path)


@pytest.mark.parametrize("ends", [(0.1, 0.1), (0.0, 0.1), (0.1, 5.0)])
def test_a_range_may_end_at_the_value_itself(ends):
    assert Quantity(**WHOLE, low=ends[0], high=ends[1]).low == ends[0]


def test_a_number_cannot_be_made_or_changed_past_the_rules():
    with pytest.raises(ValueError, match="kind"):
        Quantity(1.0, "pJ", "", "source")
    with pytest.raises(FrozenInstanceError):
        Quantity(**WHOLE).source = ""


def test_as_text_it_says_value_range_unit_kind_and_whether_the_source_was_read():
    assert str(Quantity(**WHOLE)) == "0.1 pJ/operation, quoted"
    ranged = Quantity(1950, "pJ/64 bits", "modelled", "a source of it", low=1300, high=2600, verified=False)
    assert str(ranged) == "1950 (1300 to 2600) pJ/64 bits, modelled, not verified"
    assert repr(ranged) == f"{ranged}: a source of it"


def test_as_a_badge_it_has_its_kind_in_a_frame_and_its_source_on_hover_and_below():
    number = Quantity(0.5, "a<b", "measured", HOSTILE, low=0.25, high=1.0, verified=False)
    page = number._repr_html_()
    assert text(page) == f"0.5 (0.25 to 1) a<b measured, not verified{HOSTILE}"
    assert "title='&lt;script&gt;&#x27;&quot;&amp;'" in number.badge() and "<script" not in page
    assert number.badge() in page


def test_a_table_numbers_each_source_once_in_the_order_of_first_use():
    rows = {
        "one": Quantity(1, "J", "quoted", "second source"), "another": Quantity(2, "J", "quoted", HOSTILE),
        "third": Quantity(3, "J", "quoted", "second source"),
    }
    table = QuantityTable(rows)
    assert table.sources() == ["second source", HOSTILE]
    assert repr(table).splitlines() == [
        "one      1 J, quoted [1]", "another  2 J, quoted [2]", "third    3 J, quoted [1]",
        "[1] second source", f"[2] {HOSTILE}",
    ]
    page = table._repr_html_()
    assert [text(item) for item in re.findall(r"<li>(.*?)</li>", page)] == ["second source", HOSTILE]
    assert re.findall(r"<sup>(\d)</sup>", page) == ["1", "2", "1"] and page.count("scope='row'") == 3
    assert repr(QuantityTable({})) == "" and QuantityTable({})._repr_html_()


def test_a_table_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "energy").mkdir()
    written(tmp_path / "energy", {"one": WHOLE})
    monkeypatch.setattr(quantity, "DATA", tmp_path)
    assert load("table") == {"one": Quantity(**WHOLE)}


def test_the_numbers_of_the_first_lesson_are_those_of_the_publication():
    """Horowitz 2014, table of energies at 45 nm, as quoted everywhere."""
    costs = load("horowitz_2014")
    assert {name: costs[name].value for name in costs if costs[name].unit == "pJ/operation"} == {
        "int8_add": 0.03, "int32_add": 0.1, "int8_mul": 0.2, "int32_mul": 3.1, "fp16_add": 0.4, "fp16_mul": 1.1,
        "fp32_add": 0.9, "fp32_mul": 3.7,
    }
    assert not any(costs[name].verified for name in ("sram_8kb_read", "dram_read"))
