"""A trit is -1, 0 or 1, and nothing else passes for one."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mmf_teach.ternary.trits import require_trits

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
NUMBER_TYPES = [np.int8, np.int16, np.int64, np.float16, np.float32, np.float64]


@LAWS
@given(st.data(), st.sampled_from(NUMBER_TYPES), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
def test_trits_of_any_number_type_come_back_as_int8_with_the_same_values_and_shape(data, dtype, shape):
    values = data.draw(arrays(dtype, shape, elements=st.sampled_from([-1, 0, 1])))
    trits = require_trits(values)
    assert trits.dtype == np.int8 and trits.shape == shape
    np.testing.assert_array_equal(trits, values)


@LAWS
@given(st.data(), st.sampled_from([2, -2, 127, -128]), array_shapes(min_dims=1, max_dims=3, max_side=5))
def test_anything_else_is_refused_with_its_value_and_the_index_of_the_first(data, intruder, shape):
    values = data.draw(arrays(np.int8, shape, elements=st.sampled_from([-1, 0, 1])))
    at = tuple(data.draw(st.integers(0, side - 1)) for side in shape)
    values[at] = intruder
    values.flat[np.ravel_multi_index(at, shape) + 1 :] = 5           # later ones are not the first
    with pytest.raises(ValueError) as refusal:
        require_trits(values)
    assert f"not {intruder} (at index {at})" in str(refusal.value)


@pytest.mark.parametrize("value", [257, 255, 256, -255, 1 << 40])
def test_a_number_that_int8_would_wrap_into_a_trit_is_refused(value):
    with pytest.raises(ValueError, match=f"not {value}"):
        require_trits(np.array([0, value]))


@pytest.mark.parametrize("value", [0.5, -0.999, 1.0001, np.nan, np.inf, -np.inf])
def test_a_number_that_int8_would_round_into_a_trit_is_refused(value):
    with pytest.raises(ValueError, match="a trit must be -1, 0 or 1"):
        require_trits(np.array([[1.0, value]]))


def test_the_values_handed_in_are_not_changed_and_not_shared():
    values = np.array([1, 0, -1], np.int8)
    require_trits(values)[0] = 0
    assert values.tolist() == [1, 0, -1]
