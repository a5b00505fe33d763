"""Two results are compared by what they mean, and their first difference is put in words, whatever they are."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from fixtures.sums import Lies, Thorny, ThornyNumber, total

from mmf_teach.lesson.compare import describe, difference, same


@pytest.mark.parametrize("value", [Decimal(3), Fraction(3), np.int8(3), np.float32(3), np.array(3), 3 + 0j, Lies(3)])
def test_a_number_of_another_kind_is_the_same_number(value):
    assert same(value, 3) and not same(value, 4)


@pytest.mark.parametrize(("got", "want", "said"), [
    (None, None, ""), (None, 0, "returns nothing"), ((1, 2), (1, 2), ""), ([1, 2], (1, 2), ""),
    ((1,), (1, 2), "1 results, not 2"), ((1, 3), (1, 2), "in result 2 of 2, it returns 3"),
    (3, (1, 2), "a number, not 2 results"),
    (True, True, ""), (1, True, "it returns 1"), (np.bool_(True), True, ""), ({"a": 1}, {"a": 1}, ""),
    ({"a": 1}, {"a": 2}, "it returns {'a': 1}"), ("a", "a", ""), (1.0, 1, ""), (1 + 1e-7, 1.0, ""),
    (1 + 1e-4, 1.0, "1.0001"), (float("nan"), float("nan"), ""), (torch.ones(2), torch.ones(2), ""),
    (np.ones(2), torch.ones(2), "an array, not a tensor"), (torch.ones(2, requires_grad=True), torch.ones(2), ""),
    (np.array(0), np.array(1), "there it has 0, not 1"),
    (torch.tensor([1.0, 0.0, 0.0]), torch.ones(3), "at index 1 it has 0.0, not 1.0"),
    (np.array([[1, 2], [9, 9]]), np.array([[1, 0], [9, 0]]), "at index (0, 1) it has 2, not 0"),
    (torch.ones(2), np.ones(2), "a tensor, not an array"), (..., 3, "the `...` of the stub"),
])
def test_the_first_difference_is_put_in_words(got, want, said):
    clause = difference(got, want)
    assert said in clause and bool(said) == bool(clause), clause


def test_the_kind_of_whole_number_matters_where_it_is_asked_for():
    wide, narrow = np.array([1], np.int64), np.array([1], np.int8)
    assert same(wide, narrow) and difference(wide, narrow, exact_dtype=True) == "the dtype is int64, not int8"
    assert difference(narrow, wide, exact_dtype=True) == "the dtype is int8, not int64"
    assert difference((0, wide), (0, narrow), exact_dtype=True).startswith("in result 2 of 2")


@pytest.mark.parametrize(("value", "said"), [
    (0.1, "0.1"), (np.float64(0.5), "0.5"), (np.int8(3), "3"), ("a", "'a'"), (total, "the function total"),
    (np.array([1, 2], np.int8), "[1, 2] (int8, shape (2,))"),
    (torch.tensor([1.0]), "tensor [1.] (float32, shape (1,))"),
    ((1, np.int8(2)), "(1, 2)"), (object(), "an object of type object"),
])
def test_a_value_is_described_as_one_would_write_it(value, said):
    assert describe(value) == said


@pytest.mark.parametrize("value", [
    "x" * 10**6, list(range(10**5)), tuple(range(10**5)), np.zeros((500, 500)), dict(enumerate(range(10**4))), 10**1000,
])
def test_a_long_value_is_described_shortly(value):
    assert len(describe(value)) < 700


def test_what_fails_when_it_is_looked_at_is_described_and_differs_all_the_same():
    assert describe(Thorny()) == "an object of type Thorny"
    assert difference(Thorny(), Thorny()) == "it returns an object of type Thorny that cannot be compared"
    assert difference(ThornyNumber(1), 1.0) == "it returns a number that cannot be compared"
