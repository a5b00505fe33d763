"""Packed trits come back as they were, in as few bytes as promised, and damaged bytes are refused."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from mmf_teach.ternary.packing import pack_2bit, pack_base3, unpack_2bit, unpack_base3

LAWS = settings(deadline=None, derandomize=True, max_examples=200)
BASE3, TWO_BITS = (pack_base3, unpack_base3, 5), (pack_2bit, unpack_2bit, 4)      # and trits in a byte
both = pytest.mark.parametrize(("pack", "unpack", "per_byte"), [BASE3, TWO_BITS], ids=["base 3", "2 bits"])
trit_lists = st.lists(st.sampled_from([-1, 0, 1]), max_size=200)


def codes(byte: int) -> list[int]:
    """The four two-bit codes of a byte, the first from its lowest bits."""
    return [int(f"{byte:08b}"[6 - at : 8 - at], 2) for at in (0, 2, 4, 6)]


@both
@LAWS
@given(trits=trit_lists)
@example(trits=[])
@example(trits=[-1])
@example(trits=[1, -1, 0, -1])
@example(trits=[-1, -1, -1, -1, -1])
@example(trits=[1, 1, 1, 1, 1, 1])
def test_unpack_undoes_pack(pack, unpack, per_byte, trits):
    packed = pack(np.array(trits, np.int8))
    again = unpack(packed, len(trits))
    assert packed.dtype == np.uint8 and again.dtype == np.int8
    assert again.tolist() == trits


@both
@LAWS
@given(trits=trit_lists)
@example(trits=[0])
@example(trits=[0] * 4)
@example(trits=[0] * 5)
@example(trits=[0] * 6)
def test_a_packed_text_of_trits_takes_as_many_bytes_as_are_begun(pack, unpack, per_byte, trits):
    begun = len(range(0, len(trits), per_byte))
    assert pack(np.array(trits, np.int8)).nbytes == begun


def test_five_trits_are_the_digits_of_a_number_of_base_3_and_every_number_below_243_is_taken():
    rows = np.array(list(product((-1, 0, 1), repeat=5)), np.int8)
    numbers = [sum((int(trit) + 1) * 3**place for place, trit in enumerate(row)) for row in rows]
    assert pack_base3(rows).tolist() == numbers
    assert sorted(numbers) == list(range(3**5))


def test_four_trits_are_four_codes_of_two_bits_in_two_s_complement():
    rows = np.array(list(product((-1, 0, 1), repeat=4)), np.int8)
    packed = pack_2bit(rows)
    assert [codes(byte) for byte in packed.tolist()] == (rows.astype(int) % 4).tolist()
    assert len(set(packed.tolist())) == 3**4


@both
def test_a_matrix_is_packed_in_reading_order(pack, unpack, per_byte):
    matrix = np.random.default_rng(0).integers(-1, 2, (7, 9)).astype(np.int8)
    np.testing.assert_array_equal(pack(matrix), pack(matrix.ravel()))
    np.testing.assert_array_equal(pack(np.asfortranarray(matrix)), pack(matrix.ravel()))


@both
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 9])
def test_what_fills_the_last_byte_are_zero_trits(pack, unpack, per_byte, size):
    ones = np.ones(size, np.int8)
    full = np.pad(ones, (0, -size % per_byte))
    np.testing.assert_array_equal(pack(ones), pack(full))


@pytest.mark.parametrize("byte", range(243, 256))
@pytest.mark.parametrize("position", range(4))
def test_a_byte_that_no_five_trits_have_is_refused_wherever_it_stands(byte, position):
    packed = pack_base3(np.ones(20, np.int8))
    packed[position] = byte
    with pytest.raises(ValueError, match=f"byte {position} is {byte}"):
        unpack_base3(packed, 20)


@pytest.mark.parametrize("byte", range(256))
def test_a_byte_is_refused_exactly_when_it_holds_the_two_bit_code_10(byte):
    packed = np.array([0, byte, 0], np.uint8)
    if 0b10 in codes(byte):
        with pytest.raises(ValueError, match="byte 1 holds the code 10"):
            unpack_2bit(packed, 12)
    else:
        assert unpack_2bit(packed, 12)[4:8].tolist() == [{0: 0, 1: 1, 3: -1}[code] for code in codes(byte)]


@both
def test_each_accepted_byte_is_the_only_one_for_its_trits(pack, unpack, per_byte):
    for byte in range(256):
        packed = np.array([byte], np.uint8)
        if byte < 243 if pack is pack_base3 else 0b10 not in codes(byte):
            np.testing.assert_array_equal(pack(unpack(packed, per_byte)), packed)


@both
def test_a_trit_beyond_the_end_is_refused_wherever_it_hides(pack, unpack, per_byte):
    for count in range(1, 2 * per_byte):
        for hidden in range(count, -(-count // per_byte) * per_byte):
            trits = np.zeros(hidden + 1, np.int8)
            trits[hidden] = -1
            with pytest.raises(ValueError, match="beyond the end"):
                unpack(pack(trits), count)


@both
@pytest.mark.parametrize(("bytes_there", "count"), [(0, 1), (1, 0), (1, 6), (2, 4), (3, 5), (3, 16), (0, -1), (1, -1)])
def test_more_or_fewer_bytes_than_the_count_asks_for_are_refused(pack, unpack, per_byte, bytes_there, count):
    with pytest.raises(ValueError, match=f"{count} trits take .* not {bytes_there}"):
        unpack(pack(np.zeros(bytes_there * per_byte, np.int8)), count)


@both
@pytest.mark.parametrize("value", [2, -2, 3, 0.5, np.nan, 257])
def test_a_value_that_is_no_trit_is_refused_with_its_index(pack, unpack, per_byte, value):
    values = np.zeros((3, 4))
    values[1, 2] = value
    with pytest.raises(ValueError, match=r"at index \(1, 2\)"):
        pack(values)
