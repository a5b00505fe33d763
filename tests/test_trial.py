"""A check takes a limited time: loops without end are stopped, what waits is left behind, what was found is shown."""

import random
import threading
import time

import pytest
from fixtures.sums import SUM, for_ever, total

from mmf_teach.lesson import exercise as engine
from mmf_teach.lesson.exercise import ERROR, NOT_YET, PASSED
from mmf_teach.lesson.trial import Todo, TooLong, call, todo, within_time

LIMIT_S = 0.3                                # for functions that never end


def prints_for_ever(numbers, least):
    while True:
        print("x" * 1000)


def deaf_to_exceptions(numbers, least):
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            pass


@pytest.mark.parametrize("function", [for_ever, prints_for_ever, deaf_to_exceptions])
def test_a_loop_without_end_is_stopped_and_told_of_with_its_input(function):
    threads = threading.active_count()
    began = time.monotonic()
    report = SUM.examine(function, limit_s=LIMIT_S)
    assert report.state == ERROR
    assert report.message == "your function is still running after 0.3 seconds: does its loop end?"
    assert report.details == {"input": "numbers = [1, 2]\nleast = 0"}
    assert time.monotonic() - began < 20 * LIMIT_S
    assert threading.active_count() == threads


def test_a_loop_that_catches_everything_is_left_behind_once_told_often_enough():
    """The limit of what can be done from Python: the report comes, and the thread goes on until it ends by itself."""
    done = threading.Event()

    def deaf(numbers, least):
        while not done.is_set():
            try:
                time.sleep(0.01)
            except BaseException:
                pass
        return 0

    try:
        assert SUM.examine(deaf, limit_s=LIMIT_S).state == ERROR
    finally:
        done.set()


def test_a_function_that_waits_is_left_behind_too():
    began = time.monotonic()
    assert SUM.examine(lambda numbers, least: time.sleep(12), limit_s=0.1).state == ERROR
    assert time.monotonic() - began < 8
    report = SUM.examine(lambda numbers, least: total(numbers, least) if len(numbers) < 3 else 99)
    assert report.details["input"] == "numbers = [0, 0, 0]\nleast = 0"          # found and made small meanwhile
    assert time.monotonic() - began < 8


def test_a_wrong_result_found_before_time_ran_out_is_shown_rather_than_the_lack_of_time():
    found, over = [], threading.Event()

    def slow_and_wrong(numbers, least):
        if len(numbers) < 3:
            return total(numbers, least)
        if found and found != [(numbers, least)]:
            over.wait(60)                    # whatever is tried after the first wrong result takes for ever
        found[:] = [(list(numbers), least)]
        return 99

    try:
        report = SUM.examine(slow_and_wrong, limit_s=4)
    finally:
        over.set()
    assert report.state == NOT_YET and report.details["yours"] == "99"


def test_a_slow_function_that_is_right_passes_with_as_many_inputs_as_there_is_time_for():
    calls = []

    def slow(numbers, least):
        calls.append(1)
        time.sleep(0.03)
        return total(numbers, least)

    assert SUM.examine(slow, limit_s=2).state == PASSED
    assert len(calls) < 2 * engine.TRIES


def test_work_is_done_in_time_or_stopped_and_its_errors_come_through():
    assert within_time(lambda: 5, 5) == 5
    with pytest.raises(KeyError):
        within_time(lambda: {}["x"], 5)
    with pytest.raises(TooLong):
        within_time(lambda: for_ever(0, 0), 0.05)


def test_an_error_that_comes_of_being_stopped_is_lack_of_time_and_nothing_else():
    def cleans_up():
        try:
            for_ever(0, 0)
        except BaseException:
            raise ValueError("interrupted") from None

    with pytest.raises(TooLong):
        within_time(cleans_up, 0.05)


def test_a_call_hands_over_copies_and_says_whether_they_were_changed():
    numbers = [1]
    outcome = call(lambda mine: mine.append(2), (numbers,))
    assert outcome.changed and numbers == [1]
    assert not call(len, (numbers,)).changed
    with pytest.raises(Todo):
        call(lambda: todo(), ())


def test_a_function_wrong_only_now_and_then_never_raises():
    """Even if it happens to be right when it is asked again."""
    dice = random.Random(3)

    def moody(numbers, least):
        return total(numbers, least) + (dice.random() < 0.02)

    for _ in range(8):
        report = SUM.examine(moody)
        assert report or (report.state, "answers differently" in report.message) == (NOT_YET, True)
