"""The ten words of the published core, and nop: eleven rows that assembler, machine and golden simulator read.

Course    notebook 10, "An instruction set of ten words"
Source    instruction format of the RTL released with arXiv 2406.02528 (2024): fields, codes and widths; wording ours
"""

from hardware_sim.isa import InstructionSet, Kind, Operation

REGISTERS = 8
SIMULATED, BOARD = 16, 33                # bits of an address: in the released simulation, and on the board
LOAD_STORE, ROWWISE, TMATMUL, NORM = "load/store", "rowwise", "tmatmul", "norm"

OPERATIONS = {
    "nop":     Operation("",         "",      "nothing",                               {"unit": 0}),
    "ldv":     Operation(LOAD_STORE, "y @",   "y <- d bytes at @",                     {"unit": 1, "memory": 0}),
    "sv":      Operation(LOAD_STORE, "a @",   "d bytes at @ <- a",                     {"unit": 1, "memory": 1}),
    "add":     Operation(ROWWISE,    "y a b", "y <- a + b, saturating",                {"unit": 2, "op": 0}),
    "sub":     Operation(ROWWISE,    "y a b", "y <- a - b, saturating",                {"unit": 2, "op": 1}),
    "mul":     Operation(ROWWISE,    "y a b", "y <- a · b, saturating",                {"unit": 2, "op": 2}),
    "div":     Operation(ROWWISE,    "y a b", "y <- a / whole part of b, saturating",  {"unit": 2, "op": 3}),
    "exp":     Operation(ROWWISE,    "y a",   "y <- e^a, from a table",                {"unit": 2, "op": 4}),
    "sig":     Operation(ROWWISE,    "y a",   "y <- sigmoid(a), from a table",         {"unit": 2, "op": 5}),
    "tmatmul": Operation(TMATMUL,    "y a @", "y <- ternary d × d matrix at @, times a", {"unit": 3}),
    "norm":    Operation(NORM,       "y",     "y <- y / rms(y), in place",             {"unit": 4, "a": "y"}),
}


def instruction_set(address_bits: int = BOARD) -> InstructionSet:
    """The published set with addresses of so many bits: words of 50 bits on the board, of 33 in its simulation."""
    register, address = Kind("register", REGISTERS), Kind("address", 1 << address_bits)
    fields = {"unit": 3, "op": 3, "a": 3, "b": 3, "y": 3, "memory": 2, "@": address_bits}
    return InstructionSet("paper2024", OPERATIONS, {"y": register, "a": register, "b": register, "@": address}, fields)


INSTRUCTION_SET = instruction_set()
