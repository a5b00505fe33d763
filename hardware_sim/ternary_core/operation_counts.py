"""What each instruction of our core does, counted, so that a trace can be paid for.

Course    notebook 14, "Joules per token"
"""

from collections import Counter

from hardware_sim.energy import account, costs, counts
from hardware_sim.ternary_core.decode import Table
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, OPERATIONS
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.timing import moved_bytes
from hardware_sim.ternary_core.units.norm import FIN_CYCLES
from mmf_teach.quantity import Quantity

ELEMENT_BITS = 32
TABLE_BITS = 2 * 16                          # two entries of the sigmoid's table for each element
EACH = {                                     # adds and multiplies for one element; to round or compare is to add
    "add": (1, 0), "sub": (1, 0), "mul": (1, 1), "sig": (3, 1), "mix": (4, 2), "acc": (2, 1), "code": (1, 1),
    "resc": (1, 1), "tma": (1, 0),
}


def actions(mnemonic: str, machine: Machine) -> dict[str, int]:
    """All that one instruction does inside the core. KeyError for a mnemonic that there is not."""
    operation = INSTRUCTION_SET.operations[mnemonic]
    adds, multiplies = EACH.get(mnemonic, (0, 0))
    ports = sum(name in ("y", "a", "b") for name in operation.names) + (mnemonic in ("mix", "tma"))    # y is read too
    tabled = TABLE_BITS if mnemonic == "sig" else 0
    done = {
        "instruction": 1,
        "add": adds * machine.d + (2 * FIN_CYCLES if mnemonic == "fin" else 0),          # 64 bits: two adders of 32
        "multiply": multiplies * machine.d,
        "ternary mac": machine.d ** 2 if mnemonic in ("tmm", "tma") else 0,
        "register bits": (ports * ELEMENT_BITS + tabled) * machine.d,
    }
    return {what: count for what, count in done.items() if count}


def energy(table: Table, machine: Machine, memory: str = "ddr4") -> dict[str, Quantity]:
    """Picojoules of a decoded program by cause. KeyError for a memory that data/energy/memory.toml does not have."""
    names = list(OPERATIONS)
    done = Counter(names[number] for number in table[:, 0].tolist())
    return account(counts(done, moved_bytes(table, machine), lambda name: actions(name, machine)), costs(memory))
