"""Threads that read one token together: the same numbers, nobody left behind, nothing kept."""

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from mmf_teach.engine import runtime as engine_file
from mmf_teach.engine.barrier import LINE, ring, spin_wait, wait_for_all
from mmf_teach.engine.bench.engine import maps
from mmf_teach.engine.integer_model import share
from mmf_teach.engine.runtime import Engine
from mmf_teach.engine.thread_pool import ThreadPool
from tests.test_engine import random_model


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize(
    ("width", "inner", "blocks", "vocabulary"), [(1, 1, 1, 2), (130, 27, 3, 129), (300, 520, 2, 7)])
def test_threads_change_no_number(width, inner, blocks, vocabulary, threads, monkeypatch):
    """Few tokens share the rows of each matrix, many tokens are shared themselves; some threads get nothing to do."""
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    model = random_model(width, inner, blocks, vocabulary)
    alone, together = Engine(model), Engine(model, threads)
    for shape in ((1, 1), (3, 2), (1, 90)):
        tokens = np.arange(shape[0] * shape[1]).reshape(shape) % vocabulary
        one, more = alone.read(tokens, every=True), together.read(tokens, every=True)
        assert np.array_equal(one[0], more[0]) and np.array_equal(one[1], more[1])
        assert np.array_equal(alone.read(tokens)[0], together.read(tokens)[0])


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_the_tokens_of_a_model_that_lies_in_one_part(threads, monkeypatch):
    """It was not worth parts when it was packed; many tokens are worth sharing."""
    model = random_model(300, 520, 2, 259)
    alone, together = Engine(model), Engine(model, threads)
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    for shape in ((1, 1), (3, 30), (1, 90)):
        tokens = np.arange(shape[0] * shape[1]).reshape(shape) % 259
        for every in (False, True):
            one, more = alone.read(tokens, every=every), together.read(tokens, every=every)
            assert np.array_equal(one[0], more[0]) and np.array_equal(one[1], more[1])


def test_a_token_that_was_interrupted_holds_up_no_other(monkeypatch):
    """The workers have begun, and the caller never comes: they are let go, and the next token is whole."""
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    model = random_model(130, 200, 2, 7)
    engine, state, real = Engine(model, threads=3), Engine(model).initial_state(1), engine_file.read
    want = Engine(model).step(np.array([3]), state)
    for _ in range(3):
        monkeypatch.setattr(engine_file, "read", lambda *given: interrupted() if given[-2] == 0 else real(*given))
        with pytest.raises(KeyboardInterrupt):
            engine.step(np.array([3]), state)
        monkeypatch.setattr(engine_file, "read", real)
        got = in_time(lambda: engine.step(np.array([3]), state))
        assert np.array_equal(got[0], want[0]) and np.array_equal(got[1], want[1])


def interrupted():
    time.sleep(0.01)
    raise KeyboardInterrupt


def in_time(function: Callable[[], object]) -> object:
    """What it returns; a failure, and not a test that never ends, if it waits for somebody who does not come."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()), daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert answers, "it does not come to an end"
    return answers[0]


@pytest.mark.parametrize("pause_s", [0, 0.005])
def test_each_worker_does_each_piece_of_work_once_and_ends_with_its_owner(pause_s):
    """Awake or asleep; each piece ends with a barrier, as it must."""
    before, arrivals, done = set(threading.enumerate()), np.zeros(3 * LINE, np.int64), []
    pool = ThreadPool(2)
    begun = set(threading.enumerate()) - before
    assert len(begun) == 2

    def work(piece: int, job: int, me: int) -> int:
        done.append((piece, me))
        wait_for_all(arrivals, me, 3)
        return job

    for piece in range(30):
        time.sleep(pause_s)
        assert pool.run(partial(work, piece)) == piece + 1
        assert sorted(done) == [(piece, me) for me in range(3)]
        done.clear()
    del pool
    assert have_ended(begun)


def test_a_worker_that_comes_late_leaves_no_work_out():
    """As when the caller is interrupted before both have begun: one of them would wait for the other for ever."""
    pool, done = ThreadPool(2), {1: [], 2: []}

    def work(piece: int, job: int, me: int) -> int:
        if me == 0:
            return 0                         # not done: the workers have not been waited for
        time.sleep(0.001 * me)
        done[me].append(piece)
        return job

    for piece in range(20):
        pool.run(partial(work, piece))
    for _ in range(1000):
        if min(map(len, done.values())) == 20:
            break
        time.sleep(0.01)
    assert done == {1: list(range(20)), 2: list(range(20))}


def test_a_job_that_comes_while_a_worker_falls_asleep_is_done():
    pool, woken = ThreadPool(1), threading.Event()
    (worker,) = pool._queue.workers
    fall_asleep = worker.awake.clear

    def job_comes_first() -> None:
        worker.awake.clear = fall_asleep
        pool._queue.put(lambda job, me: woken.set() or job)            # it looks as if nobody had to be woken
        fall_asleep()

    time.sleep(0.05)                         # it sleeps, is woken, and falls asleep again
    worker.awake.clear = job_comes_first
    pool._queue.put(lambda job, me: job)
    assert woken.wait(timeout=10)


def test_an_engine_that_nobody_needs_is_let_go_with_its_threads(monkeypatch):
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    before = set(threading.enumerate())
    engine = Engine(random_model(130, 200, 2, 7), threads=3)
    engine.read(np.array([[3, 4]]))
    begun, gone = set(threading.enumerate()) - before, weakref.ref(engine)
    del engine
    assert len(begun) == 2 and gone() is None and have_ended(begun)


def test_what_tokens_worked_on_is_let_go(monkeypatch):
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    engine, states, after = Engine(random_model(130, 200, 2, 7), threads=3), [], None
    for _ in range(30):
        _, after = engine.read(np.array([[3, 4]]), after)
        states.append(weakref.ref(after))
    alive = sum(state() is not None for state in states)
    assert alive <= 5                        # ours, and what each worker's last job from Python began with and made


@pytest.mark.parametrize("pause_s", [0, 0.005])
def test_workers_that_are_awake_find_tokens_of_any_number_and_order(pause_s, monkeypatch):
    """Python tells them nothing: they find where the next arrays lie, and how large they are."""
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    model = random_model(130, 200, 2, 259)
    alone, together = Engine(model), Engine(model, threads=3)
    together.read(np.zeros((3, 21), np.int64))               # room for all that follow
    calls = [
        (np.arange(rows * columns).reshape(columns, rows).T % 259, every)
        for rows, columns in ((1, 1), (3, 2), (1, 7), (2, 3), (1, 40), (3, 21), (1, 2)) for every in (False, True)]
    wanted = [alone.read(tokens, every=every) for tokens, every in calls]
    for _ in range(3):
        for (tokens, every), want in zip(calls, wanted, strict=True):
            time.sleep(pause_s)
            got = in_time(partial(together.read, tokens, every=every))
            assert np.array_equal(got[0], want[0]) and np.array_equal(got[1], want[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_callers_of_one_engine_wait_for_each_other(threads, monkeypatch):
    """The arrays it works in are the same for all of them."""
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    model = random_model(300, 520, 2, 259)
    engine, texts = Engine(model, threads), [np.full((1, 60), token) for token in range(4)]
    wanted = [Engine(model).read(text)[0] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(lambda n: engine.read(texts[n % 4])[0], range(80)), wanted * 20, strict=True):
            assert np.array_equal(got, want)


def have_ended(threads: set[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(timeout=10)
    return not any(thread.is_alive() for thread in threads)


def test_a_spin_wait_ends_when_the_doorbell_rings_or_after_a_while():
    doorbell = np.zeros(1, np.int64)
    assert in_time(lambda: spin_wait(doorbell, 0)) == 0             # it never rings
    for n in range(1, 20):
        ring(doorbell, n)
        assert in_time(partial(spin_wait, doorbell, n - 1)) == n


def test_only_what_is_worth_it_wakes_the_other_threads(monkeypatch):
    model, woken = random_model(64, 128, 1, 7), []
    engine = Engine(model, threads=2)
    monkeypatch.setattr(engine._pool, "run", woken.append)
    monkeypatch.setattr(engine_file, "WORTH_SHARING", engine._trits + 1)
    engine.step(np.array([1]), engine.initial_state(1))
    assert engine._trits == sum(each.trits.size for each in maps(model)) and not woken


def test_a_wrong_token_is_refused_by_all_threads_and_the_next_one_is_read(monkeypatch):
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    model = random_model(64, 128, 1, 7)
    engine, state = Engine(model, threads=2), Engine(model).initial_state(1)
    with pytest.raises(ValueError, match="whole numbers from 0 to 6"):
        engine.step(np.array([7]), state)
    assert np.array_equal(engine.step(np.array([6]), state)[0], Engine(model).step(np.array([6]), state)[0])


def test_no_thread_leaves_a_barrier_before_all_have_come():
    """Each writes its number, waits and reads all: were one to go on early it would read what is not there yet."""
    arrivals, seen = np.zeros(3 * LINE, np.int64), np.zeros((3, 200), np.int64)

    def work(me: int) -> bool:
        complete = True
        for turn in range(200):
            if turn % 7 == me:
                time.sleep(0.0005)           # come late now and then
            seen[me, turn] = 1
            wait_for_all(arrivals, me, 3)
            complete &= bool(seen[:, turn].all())
        return complete

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(work, range(3)))
    assert arrivals[::LINE].tolist() == [200] * 3


@pytest.mark.parametrize(
    ("size", "step", "threads"), [(0, 1, 2), (1, 16, 3), (300, 128, 2), (5632, 128, 7), (17, 1, 5)])
def test_shares_are_all_there_is_each_thing_once_beginning_where_they_may(size, step, threads):
    parts = [share(size, step, me, threads) for me in range(threads)]
    assert [i for first, last in parts for i in range(first, last)] == list(range(size))
    assert all(first % step == 0 or first == size for first, _ in parts)
