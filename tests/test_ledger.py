"""The reader's record: lines are only ever added, damaged ones passed over, and no lesson stops because of it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fixtures.tiny import ROOT, environment
from hypothesis import given, settings, strategies as st

from mmf_teach.lesson import ledger

single = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
json_values = st.recursive(single, st.lists, max_leaves=5)


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    """A ledger of its own for every test."""
    monkeypatch.setenv("MMF_LEDGER", str(tmp_path / "ledger.jsonl"))
    return tmp_path / "ledger.jsonl"


def test_what_is_recorded_comes_back_in_order_with_its_time_and_kind():
    ledger.record("check", id="01.1", state="passed")
    ledger.record("prediction", id="01.a", guess=[1.5, "ä ⊙"])
    both = ledger.entries()
    assert [(entry["kind"], entry["id"]) for entry in both] == [("check", "01.1"), ("prediction", "01.a")]
    assert ledger.entries("prediction") == both[1:] and both[1]["guess"] == [1.5, "ä ⊙"]
    assert all(entry["time"].endswith("+00:00") for entry in both) and ledger.entries("hint") == []


def test_a_record_only_ever_adds_a_line_of_json(file):
    before = b""
    for number in range(5):
        ledger.record("hint", id="01.1", number=number, said="two\nlines\u2028and\x85more")
        now = file.read_bytes()
        assert now.startswith(before) and now.count(b"\n") == number + 1 and now.isascii()
        json.loads(now[len(before):])
        before = now
    assert [entry["number"] for entry in ledger.entries()] == list(range(5))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(json_values, max_size=4))
def test_any_value_of_json_comes_back_as_it_was(values):
    length = len(ledger.entries())
    for value in values:
        ledger.record("prediction", id="01.a", guess=value)
    assert [entry["guess"] for entry in ledger.entries()[length:]] == values


@pytest.mark.parametrize(("value", "kept"), [
    (np.float64(0.5), 0.5), (np.int8(3), 3), (np.array([1.0, 2.0]), [1.0, 2.0]), (np.bool_(True), True), ({1}, "{1}"),
])
def test_numbers_of_numpys_are_kept_as_numbers_and_nothing_stops_a_lesson(value, kept):
    ledger.record("reveal", id="01.a", truth=value)
    assert ledger.entries()[0]["truth"] == kept


@pytest.mark.parametrize("damage", [
    b"{", b"not json", b"[1, 2]", b"3", b"null", b'"text"', b"{}", b'{"kind": "check"}', b"\xff\xfe\x00", b"",
    b"[" * 100_000, b'{"kind": [], "id": "a", "time": "t"}', b'{"kind": "check", "id": 3, "time": "t"}',
    b'{"kind": "check", "id": "a"}', b'{"time": "2025", "kind": "che',
])
def test_a_damaged_line_is_passed_over_and_spoils_no_other(file, damage):
    ledger.record("check", id="01.1")
    with open(file, "ab") as lines:
        lines.write(damage)                  # torn: not even its end was written
    ledger.record("check", id="01.2")
    ledger.record("check", id="01.3")
    for kind in (None, "check"):
        assert [entry["id"] for entry in ledger.entries(kind)] == ["01.1", "01.2", "01.3"]
    assert damage in file.read_bytes()


def test_what_cannot_be_written_is_remembered_until_the_kernel_stops(monkeypatch, tmp_path):
    for number, place in enumerate((tmp_path, tmp_path / "no" / "such" / "folder", tmp_path / "file" / "below"), 1):
        (tmp_path / "file").write_text("not a folder", "utf-8")
        monkeypatch.setenv("MMF_LEDGER", str(place))
        ledger.record("check", id=f"01.{number}")
        assert [entry["id"] for entry in ledger.entries()] == [f"01.{n}" for n in range(1, number + 1)]
    if os.path.exists("/dev/full"):
        monkeypatch.setenv("MMF_LEDGER", "/dev/full")
        ledger.record("check", id="01.1")


def test_set_to_nothing_it_writes_nothing_and_unset_it_lies_beside_the_course(monkeypatch, file):
    monkeypatch.setenv("MMF_LEDGER", "")
    ledger.record("check", id="01.1")
    assert ledger.path() is None and len(ledger.entries("check")) == 1 and not file.exists()
    monkeypatch.delenv("MMF_LEDGER")
    assert ledger.path() == ROOT / "ledger.jsonl"
    ignored = subprocess.run(["git", "check-ignore", "-q", "ledger.jsonl"], cwd=ROOT)
    assert ignored.returncode in {0, 128}, "a reader's record must not be committed"


def test_many_who_write_at_once_lose_nothing(file):
    text = "x" * 2000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ledger.record("hint", id=str(number), said=text), range(200)))
    assert sorted(int(entry["id"]) for entry in ledger.entries()) == list(range(200))
    program = (
        "from mmf_teach.lesson import ledger\n"
        "for number in range(100): ledger.record('hint', id=str(number), said=300 * 'y')")
    command = [sys.executable, "-c", program]
    running = [subprocess.Popen(command, env=environment(MMF_LEDGER=str(file))) for _ in range(3)]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert len(ledger.entries()) == 200 + 300
