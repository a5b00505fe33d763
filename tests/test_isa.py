"""One table says what can be written, and every word of the machine says one instruction or none."""

import pytest
from hypothesis import given, strategies as st

from hardware_sim.isa import Instruction, InstructionSet, Kind, Operation
from hardware_sim.paper2024.isa import BOARD, INSTRUCTION_SET, OPERATIONS, REGISTERS, SIMULATED, instruction_set

SHORT = instruction_set(SIMULATED)


@st.composite
def instructions(draw, address_bits: int = SIMULATED):
    mnemonic = draw(st.sampled_from(list(OPERATIONS)))
    register, address = st.integers(0, REGISTERS - 1), st.integers(0, (1 << address_bits) - 1)
    return Instruction(mnemonic, {n: draw(address if n == "@" else register) for n in OPERATIONS[mnemonic].names})


def test_there_are_ten_words_and_nop():
    assert set(OPERATIONS) - {"nop"} == set("ldv sv add sub mul div exp sig tmatmul norm".split())


def test_a_word_has_33_bits_in_the_simulation_and_50_on_the_board():
    assert (SHORT.bits, instruction_set(BOARD).bits) == (33, 50)


@pytest.mark.parametrize(("instruction", "word"), [
    (Instruction("nop"), "000 000 000 000 000 00"),
    (Instruction("ldv", {"y": 5, "@": 6}), "001 000 000 000 101 00"),
    (Instruction("sv", {"a": 5, "@": 6}), "001 000 101 000 000 01"),
    (Instruction("add", {"y": 1, "a": 2, "b": 3}), "010 000 010 011 001 00"),
    (Instruction("div", {"y": 1, "a": 2, "b": 3}), "010 011 010 011 001 00"),
    (Instruction("sig", {"y": 7, "a": 2}), "010 101 010 000 111 00"),
    (Instruction("tmatmul", {"y": 1, "a": 2, "@": 6}), "011 000 010 000 001 00"),
    (Instruction("norm", {"y": 4}), "100 000 100 000 100 00"),
])
def test_fields_stand_where_the_published_format_has_them(instruction, word):
    """Unit, operation, a, b, y, memory operation, address, from the most significant bit down; norm names y twice."""
    address = instruction.operands.get("@", 0)
    assert f"{SHORT.encode(instruction):033b}" == word.replace(" ", "") + f"{address:016b}"


@given(instructions())
def test_decoding_undoes_encoding(instruction):
    assert SHORT.decode(SHORT.encode(instruction)) == instruction


@given(instructions(BOARD))
def test_decoding_undoes_encoding_on_the_board_too(instruction):
    assert INSTRUCTION_SET.decode(INSTRUCTION_SET.encode(instruction)) == instruction


@given(st.integers(0, (1 << 33) - 1) | instructions().map(SHORT.encode).flatmap(
    lambda word: st.integers(0, 32).map(lambda bit: word ^ (1 << bit))))
def test_a_word_says_one_instruction_which_encodes_to_it_or_none(word):
    try:
        instruction = SHORT.decode(word)
    except ValueError as problem:
        assert "no instruction" in str(problem)
    else:
        assert SHORT.encode(instruction) == word


def test_no_two_instructions_share_a_word():
    words = [SHORT.encode(Instruction(mnemonic, dict.fromkeys(operation.names, 0)))
             for mnemonic, operation in OPERATIONS.items()]
    assert len(set(words)) == len(OPERATIONS)


@pytest.mark.parametrize("word", [-1, 1 << 33, 1 << 60])
def test_a_word_of_another_length_is_refused(word):
    with pytest.raises(ValueError, match="33 bits"):
        SHORT.decode(word)


@pytest.mark.parametrize(("instruction", "problem"), [
    (Instruction("jump", {}), "'jump' is no instruction: known are nop"),
    (Instruction("add", {"y": 1}), "add takes y,a,b, not y"),
    (Instruction("nop", {"y": 1}), "nop takes nothing, not y"),
    (Instruction("norm", {"y": 8}), "register v8 is out of range: it must lie between v0 and v7"),
    (Instruction("norm", {"y": -1}), "register v-1 is out of range"),
    (Instruction("ldv", {"y": 0, "@": 65536}), "address 65536 is out of range: it must lie between 0 and 65535"),
])
def test_what_cannot_be_said_is_not_encoded(instruction, problem):
    with pytest.raises(ValueError, match=problem):
        SHORT.encode(instruction)


@given(st.lists(instructions(), max_size=6))
def test_a_stored_program_comes_back(program):
    stored = SHORT.to_bytes(program)
    assert len(stored) == 5 * len(program) and SHORT.from_bytes(stored) == program


@given(st.binary(max_size=40))
def test_any_bytes_are_a_program_or_a_sentence(stored):
    try:
        assert SHORT.to_bytes(SHORT.from_bytes(stored)) == stored
    except ValueError as problem:
        assert str(problem).startswith("word ") or "whole number of words" in str(problem)


def test_a_damaged_program_names_the_word():
    stored = SHORT.to_bytes([Instruction("nop")]) + b"\xff" * 5
    with pytest.raises(ValueError, match="word 1: "):
        SHORT.from_bytes(stored)


def test_a_number_that_its_field_cannot_hold_is_refused():
    narrow = InstructionSet("narrow", {"put": Operation("unit", "n", "")}, {"n": Kind("number", 100)}, {"n": 4})
    with pytest.raises(ValueError, match="more than 4 bits"):
        narrow.encode(Instruction("put", {"n": 16}))
    assert narrow.encode(Instruction("put", {"n": 15})) == 15


def test_text_shows_a_name_where_an_address_has_one():
    load = Instruction("ldv", {"y": 1, "@": 6})
    assert (INSTRUCTION_SET.text(load), INSTRUCTION_SET.text(load, {6: "x"})) == ("ldv v1,0x6", "ldv v1,x")
    assert INSTRUCTION_SET.text(Instruction("nop")) == "nop"
