"""The learning rate climbs evenly, peaks, and comes down to zero."""

from itertools import pairwise
from math import pi

import pytest
from hypothesis import given, strategies as st

from mmf_teach.training.schedule import learning_rate

ROUNDING = 1e-12                             # a few roundings of float64, relative to the peak

schedules = st.tuples(st.integers(2, 300), st.floats(1e-6, 1), st.integers(1, 300)).filter(lambda s: s[2] < s[0])


def rates(steps: int, peak: float, warmup: int) -> list[float]:
    return [learning_rate(step, steps, peak, warmup) for step in range(steps)]


@given(schedules)
def test_it_climbs_in_equal_strides_from_the_first_to_the_peak(schedule):
    _, peak, warmup = schedule
    climb = rates(*schedule)[:warmup]
    assert climb == pytest.approx([peak * k / warmup for k in range(1, warmup + 1)], rel=ROUNDING)


@given(schedules)
def test_after_the_climb_it_only_falls(schedule):
    _, peak, warmup = schedule
    fall = rates(*schedule)[warmup - 1 :]
    assert max(fall) == pytest.approx(peak, rel=ROUNDING)
    assert all(later <= earlier + peak * ROUNDING for earlier, later in pairwise(fall))
    assert len(fall) < 4 or fall[3] < fall[1]


@given(schedules)
def test_it_is_never_negative_and_ends_within_one_stride_of_zero(schedule):
    """The last of n steps of half a cosine: (1 - cos(π/n)) / 2, which is at most (π/2n)²."""
    steps, peak, warmup = schedule
    assert min(rates(*schedule)) >= 0
    assert rates(*schedule)[-1] <= peak * (pi / 2 / (steps - warmup)) ** 2 * (1 + ROUNDING)
    assert learning_rate(steps, steps, peak, warmup) == pytest.approx(0, abs=peak * ROUNDING)


@given(schedules)
def test_half_way_down_it_is_at_half_the_peak(schedule):
    steps, peak, warmup = schedule
    middle, odd = divmod(steps - warmup, 2)
    around = [learning_rate(warmup + middle + k, steps, peak, warmup) for k in (0, odd)]
    assert sum(around) / 2 == pytest.approx(peak / 2, rel=ROUNDING)


@given(steps=st.integers(1, 50), more=st.integers(0, 50))
def test_a_run_shorter_than_its_climb_never_passes_the_peak(steps, more):
    climbing = rates(steps, 1.0, steps + more)
    assert climbing == sorted(climbing) and 0 < climbing[0] and climbing[-1] <= 1
