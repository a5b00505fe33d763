"""The instruction set of our core: as many words as a whole MatMul-free model needs, and no more.

Course    notebook 13, "The model on the machine"

A register holds d whole numbers of 32 bits; whatever is written into one saturates there. Formats are those of
ternary/fixed_point.py: activation, gate, memory, scale, code. `norm` keeps four numbers of its own: largest and squares
of what was accumulated, inverse and code_scale of what was finished.
"""

from hardware_sim.isa import InstructionSet, Kind, Operation

REGISTERS, ADDRESS_BITS = 32, 32             # for which a word has room
LOAD_STORE, ROWWISE, NORM, TMATMUL = "load/store", "rowwise", "norm", "tmatmul"

OPERATIONS = {
    "end":  Operation("",         "",        "the token is done",                            {"unit": 0}),
    "ldv":  Operation(LOAD_STORE, "y @",     "y <- d numbers at @, 4 bytes each",            {"unit": 1, "op": 0}),
    "ldx":  Operation(LOAD_STORE, "y @ n",   "y <- d numbers at @ + 4·n·token",              {"unit": 1, "op": 1}),
    "sv":   Operation(LOAD_STORE, "a @",     "d numbers at @ <- a",                          {"unit": 1, "op": 2}),
    "add":  Operation(ROWWISE,    "y a b",   "y <- a + b",                                   {"unit": 2, "op": 0}),
    "sub":  Operation(ROWWISE,    "y a b",   "y <- a - b",                                   {"unit": 2, "op": 1}),
    "mul":  Operation(ROWWISE,    "y a b s", "y <- a · b / 2^s, to the nearest",             {"unit": 2, "op": 2}),
    "sig":  Operation(ROWWISE,    "y a",     "gates y <- sigmoid of activations a",          {"unit": 2, "op": 3}),
    "mix":  Operation(ROWWISE,    "y a b",   "memories y <- a·y + (1 - a)·b, gates a", {"unit": 2, "op": 4}),
    "clr":  Operation(NORM,       "",        "largest, squares <- 0",                        {"unit": 3, "op": 0}),
    "acc":  Operation(NORM,       "a",       "largest <- largest of it and |a|, squares + Σa²", {"unit": 3, "op": 1}),
    "fin":  Operation(NORM,       "n bits",  "inverse, code_scale <- of n numbers, so many bits behind the point",
                      {"unit": 3, "op": 2}),
    "code": Operation(NORM,       "y a",     "codes y <- a · inverse",                       {"unit": 3, "op": 3}),
    "resc": Operation(NORM,       "y a w",   "activations y <- sums a · code_scale · w, a scale", {"unit": 3, "op": 4}),
    "tmm":  Operation(TMATMUL,    "y a @",   "y <- T · a: d × d trits T at @, codes a",      {"unit": 4, "op": 0}),
    "tma":  Operation(TMATMUL,    "y a @",   "y <- y + T · a",                               {"unit": 4, "op": 1}),
}
FIELDS = {"unit": 3, "op": 3, "y": 5, "a": 5, "b": 5, "s": 5, "bits": 5, "n": 16, "w": 31, "@": ADDRESS_BITS}


def instruction_set(registers: int = REGISTERS, address_bits: int = ADDRESS_BITS) -> InstructionSet:
    """The set as a machine with so many registers and bytes of memory understands it; the words are the same."""
    register = Kind("register", registers)
    kinds = {
        "y": register, "a": register, "b": register, "@": Kind("address", 1 << address_bits),
        "s": Kind("number", 32, 1), "bits": Kind("number", 21, 10), "n": Kind("number", 1 << 16, 1),
        "w": Kind("number", 1 << 31),
    }
    return InstructionSet("ternary", OPERATIONS, kinds, FIELDS)


INSTRUCTION_SET = instruction_set()
