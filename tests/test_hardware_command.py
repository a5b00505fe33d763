"""python -m hardware_sim: a number on the last line, one sentence for what is wrong, nothing half-written."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hardware_sim import __main__ as command
from hardware_sim.paper2024.command import shown
from hardware_sim.paper2024.machine import TOKEN_MIXER
from mmf_teach.paths import ROOT

PAPER = ("--preset", "paper2024")


@pytest.fixture
def program(tmp_path):
    """A function that writes a program and gives its path."""
    def write(text: str | bytes):
        path = tmp_path / "program.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def said(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, output and complaint of one command."""
    try:
        code = command.main([str(argument) for argument in arguments])
    except SystemExit as left:               # argparse found the options wrong
        code = left.code
    return code, *capsys.readouterr()


@pytest.mark.parametrize(("latency", "cycles"), [(1, 799283), (2, 803380), (3, 807990), (4, 1009718), (12, 2623542)])
def test_time_prints_the_measured_totals(capsys, latency, cycles):
    code, out, err = said(capsys, "time", TOKEN_MIXER, *PAPER, "--d", 512, "--read-latency", latency,
                          "--write-latency", latency)
    assert (code, out.splitlines()[-1], err) == (0, str(cycles), "")


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "hardware_sim", "time", str(TOKEN_MIXER), *PAPER, "--d", "16",
                           "--read-latency", "1", "--write-latency", "2"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and int(done.stdout.splitlines()[-1]) > 0 and done.stderr == ""


@pytest.mark.parametrize(("text", "cycles"), [
    ("nop", 2), ("nop\nnop\nnop", 4), ("add v0,v0,v0", 1 + 9 + 1), ("norm v1 ; a comment", 1 + 24 + 1),
    ("ldv v0,x", 1 + 8 * 3 + 1 + 1), ("sv v0,7", 1 + 8 * 5 + 1 + 1),
    ("ldv v0,x\nnop", 1 + 25 + 1), ("tmatmul v0,v0,0x10", 1 + (3 + 15 * 4 + 3 + 4 + 8) + 1),
    ("norm v0\nadd v1,v1,v1", 26), ("add v1,v2,v3\nadd v4,v5,v6", 1 + 9 + 1 + 9 + 1),
])
def test_small_programs_counted_by_hand(capsys, program, text, cycles):
    """d = 8, read latency 3, write latency 5: issue, work, and one to notice that all is done."""
    assert said(capsys, "time", program(text), *PAPER, "--d", 8, "--read-latency", 3, "--write-latency", 5) == (
        0, f"{cycles}\n", "")


def test_time_needs_no_values(capsys, program):
    """What nobody wrote, and regions that overlap, take their time all the same."""
    code, out, _ = said(capsys, "time", program("add v1,v2,v3\nldv v0,1\ntmatmul v4,v0,2\nsv v4,3"), *PAPER, "--d", 8)
    assert code == 0 and int(out) > 0


@pytest.mark.parametrize(("text", "options", "problem"), [
    ("jump v1", (), "line 1, column 1: 'jump' is no instruction"),
    ("add v1,v2,v9", (), "register v9 is out of range"),
    ("ldv v1,9999999999", (), "address 9999999999 is out of range"),
    ("", (), "holds no instruction"), ("; nothing\n\n", (), "holds no instruction"),
    (b"\xff\xfe\x00nop", (), "it is not a text file in UTF-8"),
    ("nop", ("--d", 0), "the width must be a whole number of elements from 2"),
    ("nop", ("--d", -4), "the width must be"),
    ("nop", ("--read-latency", 0), "a read latency of 0 cycles is impossible"),
    ("nop", ("--write-latency", -1), "a write latency of -1 cycles is impossible"),
    ("tmatmul v0,v1,w", ("--d", 7), "tmatmul needs an even width, not 7"),
    ("tmatmul v0,v1,w", ("--d", 200000), "no room is left for 'w'"),
])
def test_what_is_wrong_is_said_in_one_sentence(capsys, program, text, options, problem):
    for name in ("time", "run", "trace"):
        code, out, err = said(capsys, name, program(text), *PAPER, *options)
        assert (code, out) == (1, "") and problem in err and err.count("\n") == 1, (name, err)
        assert err.startswith(f"hardware_sim {name}: ")


@pytest.mark.parametrize("arguments", [
    (), ("time",), ("fly", "x"), ("time", "x", "--preset", "none"), ("time", "x", "--d", "many"),
    ("time", "x", "--d", "1" * 5000), ("run", "x", "--seed", "0.5"),
])
def test_asking_wrongly_is_told_apart_from_what_cannot_be_done(capsys, arguments):
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith("usage: ") and "Traceback" not in err


def test_without_a_command_it_is_told_where_one_goes_and_with_help_what_there_is(capsys):
    assert "usage: python -m hardware_sim [-h] COMMAND ..." in said(capsys)[2]
    code, out, _ = said(capsys, "--help")
    assert code == 0 and all(f"{name} " in out and what in " ".join(out.split())
                             for name, what in command.COMMANDS.items())


def test_a_file_that_is_not_there_is_named(capsys, tmp_path):
    for path in (tmp_path / "absent.txt", tmp_path):
        code, _, err = said(capsys, "time", path, *PAPER)
        assert code == 1 and str(path) in err


@pytest.mark.parametrize(("text", "problem"), [
    ("add v0,v1,v2", "line 1: v1 is read, and nobody wrote it before"),
    ("ldv v0,4\nldv v1,6", "overlap"), ("ldv v0,8589934590", "reach beyond"),
    ("ldv v0,x\ntmatmul v1,v0,x", "overlap"),
])
def test_a_program_that_has_no_values_is_not_run(capsys, program, text, problem):
    code, out, err = said(capsys, "run", program(text), *PAPER, "--d", 8)
    assert (code, out) == (1, "") and problem in err and err.count("\n") == 1


def test_run_prints_registers_and_what_was_written(capsys, program, tmp_path):
    path, memory = program("ldv v0,x\nadd v1,v0,v0\nsv v1,y\nsv v0,0x100"), tmp_path / "memory.json"
    memory.write_text('{"x": [0.5, -1, 8, 15.875]}', "utf-8")
    code, out, _ = said(capsys, "run", path, *PAPER, "--d", 4, "--memory", memory)
    assert code == 0 and out.split() == (
        "registers v0 0.5 -1 8 15.875 v1 1 -2 15.875 15.875 "
        "memory written y 1 -2 15.875 15.875 0x100 0.5 -1 8 15.875").split()
    document = json.loads(said(capsys, "run", path, *PAPER, "--d", 4, "--memory", memory, "--json")[1])
    assert document["memory"] == {"y": [1, -2, 15.875, 15.875], "0x100": [0.5, -1, 8, 15.875]}
    assert document["random"] == []


def test_what_is_not_given_is_drawn_and_said_to_be(capsys, program):
    path = program("ldv v0,x\ntmatmul v1,v0,w\nsv v1,y")
    one, same, other = (said(capsys, "run", path, *PAPER, "--d", 4, "--seed", seed)[1] for seed in (1, 1, 2))
    assert one == same != other and "memory drawn at random, seed 1: x, w\n" in one


@pytest.mark.parametrize("content", ["", "[1]", "{", "nonsense", '{"z": [1,2,3,4]}', '{"x": 1}', '{"x": [1e400]}',
                                     '{"x": ["a"]}', "[" * 100_000, '{"x": [[1,0,0,0]]}', '{"x": [100,0,0,0]}'])
def test_a_memory_file_that_cannot_be_is_refused(capsys, program, tmp_path, content):
    memory = tmp_path / "memory.json"
    memory.write_text(content, "utf-8")
    code, out, err = said(capsys, "run", program("ldv v0,x"), *PAPER, "--d", 4, "--memory", memory)
    assert (code, out) == (1, "") and err.count("\n") == 1


@pytest.mark.parametrize(("values", "said"), [
    ([], ""), ([0.5, -2.0], "0.5 -2"), ([1.0] * 16, " ".join(["1"] * 16)),
    ([1.0] * 17, " ".join(["1"] * 16) + " ... 17 in all"),
])
def test_a_long_vector_is_shown_by_its_beginning_and_its_length(values, said):
    assert shown(values) == said


def test_trace_writes_the_events_and_a_page_for_perfetto(capsys, program, tmp_path):
    path = program("ldv v0,x\nnop\nadd v1,v0,v0")
    code, out, _ = said(capsys, "trace", path, *PAPER, "--d", 4, "--read-latency", 2, "--out", tmp_path / "here")
    assert code == 0 and out.count("wrote ") == 2
    assert "17 cycles, 4 bytes moved" in out and "load/store   busy in  52.9 % of the cycles" in out
    assert " 47.1 % of the cycles waited for a register" in out
    document = json.loads((tmp_path / "here" / "program.events.json").read_text("utf-8"))
    load, nothing, add = document["events"]
    assert document["cycles"] == 17 and load == {
        "unit": "load/store", "number": 0, "text": "ldv v0,x", "start": 1, "end": 10, "reason": "", "bytes": 4,
        "blocker": None}
    assert (nothing["start"], nothing["end"]) == (2, 2)
    assert (add["start"], add["end"], add["reason"], add["blocker"]) == (11, 16, "v0", 0)
    page = json.loads((tmp_path / "here" / "program.perfetto.json").read_text("utf-8"))["traceEvents"]
    assert [row["args"]["name"] for row in page if row["ph"] == "M"] == ["load/store", "none", "rowwise"]
    tracks = {row["args"]["name"]: row["tid"] for row in page if row["ph"] == "M"}
    assert tracks == {"load/store": 0, "none": 1, "rowwise": 2} and {row["pid"] for row in page} == {0}
    assert [row["tid"] for row in page if row["ph"] == "X"] == [0, 1, 2]
    first = next(row for row in page if row["ph"] == "X")
    assert first["args"] == {"number": 0, "start_cycle": 1, "end_cycle": 10, "waited_for": "", "bytes": 4}
    assert first["name"] == "ldv v0,x" and first["ts"] == 1 / 60 and first["dur"] == 9 / 60       # microseconds


def test_a_full_disk_leaves_no_half_of_a_trace(capsys, program, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("no space left")))
    code, _, err = said(capsys, "trace", program("nop"), *PAPER, "--d", 4, "--out", tmp_path / "full")
    assert code == 1 and "no space left" in err and list((tmp_path / "full").iterdir()) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["time", "run", "trace"]), st.integers(-2, 20))
def test_any_file_gives_a_result_or_a_sentence(capsys, program, tmp_path, content, name, width):
    out = ["--out", tmp_path] if name == "trace" else []
    code, _, err = said(capsys, name, program(content), *PAPER, "--d", width, *out)
    assert code in (0, 1) and err.count("\n") == code
