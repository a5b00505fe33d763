"""The progress bar says how far things are, and no more often than can be read."""

import io

import pytest
from hypothesis import given, strategies as st

from mmf_teach.progress import PLAIN_LINES, WIDTH, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(total=st.integers(0, 3000), done=st.integers(0, 3000))
def test_the_bar_always_has_its_width_and_fills_with_what_is_done(total, done):
    done = min(total, done)
    stream = Terminal()
    Progress(total, stream).show(done, "words")
    bar = stream.getvalue().partition("[")[2].partition("]")[0]
    filled = bar.rstrip(" ")
    assert len(bar) == WIDTH and set(filled) <= {"="}
    assert len(filled) == WIDTH * done // max(1, total)
    assert f"] {done}/{total}  words" in stream.getvalue()


def test_a_terminal_sees_one_line_rewritten_in_place_that_ends_when_all_is_done():
    stream = Terminal()
    bar = Progress(3, stream)
    for done in range(4):
        bar.show(done, "x" * (9 - done))
    drawn = stream.getvalue()
    assert drawn.count("\r") == drawn.count("\x1b[K") == 4
    assert drawn.count("\n") == 1 and drawn.endswith("\n")


@pytest.mark.parametrize("total", [1, 2, 19, 20, 21, 1000, 12345])
def test_a_log_gets_few_lines_and_both_the_first_and_the_last_step_among_them(total):
    stream = io.StringIO()
    bar = Progress(total, stream)
    for done in range(total + 1):
        bar.show(done, "")
    lines = stream.getvalue().splitlines()
    assert len(lines) == min(total, PLAIN_LINES) + 1
    assert f" 0/{total}" in lines[0] and f" {total}/{total}" in lines[-1]
    assert not set("\r\x1b") & set(stream.getvalue())


def test_the_last_step_is_logged_even_when_it_is_the_only_one_shown():
    stream = io.StringIO()
    Progress(500, stream).show(500, "end")
    assert stream.getvalue().endswith("500/500  end\n")


def test_it_draws_on_standard_error_at_once(capsys):
    Progress(1).show(1, "here")
    shown = capsys.readouterr()
    assert "here" in shown.err and shown.out == ""
