"""A test that the reader writes passes when it lets the right functions pass and catches all the planted ones."""

import sys

import numpy as np
import pytest
from fixtures.sums import LAW, Thorny, ThornyError, for_ever, raising

from mmf_teach.lesson.exercise import ERROR, NOT_YET, PASSED, TODO
from mmf_teach.lesson.trial import todo


def law(do, undo):
    assert all(undo(do(n)) == n for n in range(9))


@pytest.mark.parametrize(("test", "state", "said"), [
    (LAW.answer, PASSED, "2 of 2 planted mistakes caught"), (law, PASSED, "2 of 2"),
    (lambda do, undo: undo(do(0)) == 0, NOT_YET, "1 of 2 planted mistakes caught. Your test lets this pass: only"),
    (lambda do, undo: True, NOT_YET, "0 of 2"), (lambda do, undo: None, NOT_YET, "0 of 2"),
    (lambda do, undo: False, NOT_YET, "too strict"), (lambda do, undo: todo(), TODO, LAW.ask),
    (lambda do, undo: np.array([True, False]), NOT_YET, "it must be True or False"),
    (lambda do, undo: Thorny(), NOT_YET, "an object of type Thorny: it must be True or False"),
    (lambda do, undo: "yes", NOT_YET, "returns 'yes'"), (lambda do: True, ERROR, "TypeError"),
    (raising(ThornyError()), ERROR, "ThornyError"), (lambda do, undo: sys.exit(), ERROR, "a call of exit()"),
    (lambda do, undo: np.bool_(undo(do(5)) == 5 and undo(do(0)) == 0), PASSED, "2 of 2"),
])
def test_a_readers_test_must_pass_the_right_functions_and_catch_all_the_planted_ones(test, state, said):
    report = LAW.examine(test)
    assert report.state == state and said in report.message, report


def test_a_readers_test_that_never_ends_is_stopped():
    report = LAW.examine(for_ever, limit_s=0.3)
    assert report.state == ERROR and "your test is still running" in report.message
