"""Text becomes a program and comes back; what cannot be understood is said with its line and column."""

import pytest
from hypothesis import given, settings, strategies as st

from hardware_sim.assembler import ProgramError, assemble, disassemble
from hardware_sim.paper2024.isa import INSTRUCTION_SET, OPERATIONS
from hardware_sim.paper2024.machine import TOKEN_MIXER, paper2024

WIDTH_8 = paper2024(8, 1, 1)                 # vectors of 8 bytes, matrices of 16


def program(text: str):
    return assemble(text, INSTRUCTION_SET, WIDTH_8.region_bytes)


@st.composite
def lines(draw):
    """A line as someone could write it: names or numbers, spaces anywhere, perhaps a comment."""
    mnemonic = draw(st.sampled_from(list(OPERATIONS)))
    space = st.sampled_from(["", " ", "\t", "  "])
    address = st.sampled_from(["x", "w_key", "a.b", "_", "0x40", "0X4f", "100", "0"])
    words = [draw(address) if name == "@" else f"v{draw(st.integers(0, 7))}" for name in OPERATIONS[mnemonic].names]
    code = f"{draw(space)}{mnemonic} " + ",".join(f"{draw(space)}{word}{draw(space)}" for word in words)
    return code + draw(st.sampled_from(["", ";", " ; add v1,v2,v3", ";;, v9"]))


@given(st.lists(lines() | st.sampled_from(["", "   ", "; only a comment"]), max_size=12))
def test_assembling_undoes_disassembling(written):
    first = program("\n".join(written))
    second = program(disassemble(first, INSTRUCTION_SET))
    assert (second.instructions, dict(second.names)) == (first.instructions, dict(first.names))


def test_a_program_of_every_instruction_is_understood():
    text = "\n".join(f"{m} {','.join('x' if n == '@' else 'v1' for n in o.names)}" for m, o in OPERATIONS.items())
    assert [instruction.mnemonic for instruction in program(text)] == list(OPERATIONS)


def test_operands_go_where_the_table_says():
    subtract, store = program("sub v1,v2,v3\nsv v4,9")
    assert (subtract["y"], subtract["a"], subtract["b"], store["a"], store["@"]) == (1, 2, 3, 4, 9)


def test_names_get_regions_in_order_of_first_use():
    assert dict(program("ldv v0,x\ntmatmul v1,v0,w\nsv v1,o\nldv v2,x").names) == {"x": 0, "w": 8, "o": 24}


def test_a_name_used_for_a_vector_and_for_a_matrix_has_room_for_both():
    assert dict(program("ldv v0,x\ntmatmul v1,v0,x\nsv v1,o").names) == {"x": 0, "o": 16}


def test_names_keep_clear_of_what_is_addressed_by_number():
    assert dict(program("ldv v0,4\nldv v0,x\nldv v0,20\nldv v0,y").names) == {"x": 12, "y": 28}


def test_each_instruction_knows_its_line():
    assert program("; first\n\nnop\n  nop ; second\r\n\n\tnop").lines == (3, 4, 6)


@pytest.mark.parametrize(("text", "line", "column", "problem"), [
    ("jump v1", 1, 1, "'jump' is no instruction; known are nop, ldv, sv"),
    ("nop\n  Add v1,v2,v3", 2, 3, "'Add' is no instruction"),
    ("add v1,v2", 1, 1, "add takes y,a,b; 2 operands are given"),
    ("nop v1", 1, 1, "nop takes no operands; 1 operands are given"),
    ("norm", 1, 1, "norm takes y; 0 operands are given"),
    ("add v1,v2,v8", 1, 11, "register v8 is out of range: it must lie between v0 and v7"),
    ("add v1, x,v2", 1, 9, "'x' is no register: registers are written v0, v1, v2 ..."),
    ("add v1,v2,3", 1, 11, "'3' is no register"),
    ("add v1,,v3", 1, 8, "between two commas stands nothing"),
    ("add v1,v2,", 1, 11, "between two commas stands nothing"),
    ("add v1 v2 v3", 1, 5, "operands are separated by commas"),
    ("ldv v1,v2", 1, 8, "'v2' is a register, and an address belongs here"),
    ("ldv v1,0x", 1, 8, "'0x' is no address: write it in decimal or hexadecimal, or a name"),
    ("ldv v1,-1", 1, 8, "'-1' is no address"),
    ("ldv v1,1_000", 1, 8, "'1_000' is no address"),
    ("ldv v1,8589934592", 1, 8, "address 8589934592 is out of range: it must lie between 0 and 8589934591"),
    ("ldv v1," + "9" * 5000, 1, 8, "is out of range"),
    ("norm v" + "1" * 5000, 1, 6, "is no register"),
    ("ldv\tv1,\u0663", 1, 8, "is no address"),
])
def test_a_mistake_is_named_with_its_line_and_column(text, line, column, problem):
    with pytest.raises(ProgramError) as caught:
        program(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert problem in str(caught.value) and str(caught.value).startswith(f"line {line}, column {column}: ")
    assert len(str(caught.value)) < 250


def test_a_name_for_which_no_room_is_left_is_named():
    large = paper2024(1 << 17, 1, 1)         # a matrix of 4 GiB; the memory has 8
    with pytest.raises(ProgramError, match=r"line 3, column 15: no room is left for 'three': it needs 4294967296"):
        assemble("tmatmul v0,v1,one\ntmatmul v0,v1,two\ntmatmul v0,v1,three", INSTRUCTION_SET, large.region_bytes)


@settings(max_examples=300)
@given(st.text(max_size=80) | st.text(alphabet="addvmul019x,; \n\t-_.", max_size=60))
def test_any_text_is_a_program_or_a_sentence(text):
    try:
        program(text)
    except ProgramError as problem:
        assert str(problem).startswith(f"line {problem.line}, column {problem.column}: ")
        assert "\n" not in str(problem)


def test_the_token_mixer_has_the_instruction_mix_of_the_measured_workload():
    mixer = [instruction.mnemonic for instruction in program(TOKEN_MIXER.read_text("utf-8"))]
    counts = {name: mixer.count(name) for name in ("tmatmul", "norm", "ldv", "sv")}
    assert counts == {"tmatmul": 3, "norm": 3, "ldv": 7, "sv": 3} and len(mixer) == 29
