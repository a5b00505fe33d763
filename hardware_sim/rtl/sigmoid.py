"""The sigmoid as a circuit: a table of 1,024 entries, each with the rise to the next, and a straight line between.

Course    notebook 12, "From gates up"
Equation  σ(z) ≈ entry + (rise · rest + half) >> 6, with z brought into -8 .. 8 first
Source    ternary/fixed_point.py: the same table, to the last bit
Cycles    none: the gate is there in the cycle in which the activation is
"""

import numpy as np
from amaranth import Module, Signal
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from hardware_sim.rtl.arithmetic import ELEMENT, clamped, rounded, wire
from mmf_teach.ternary.fixed_point import ACTIVATION, SIGMOID, TABLE_REACH, TABLE_STEPS

BETWEEN = ACTIVATION - exact_log2(TABLE_STEPS)           # bits of an activation that lie between two entries
REACH = TABLE_REACH << ACTIVATION
RISES = np.diff(SIGMOID)
ENTRY = data.StructLayout({"gate": 16, "rise": 8})
TABLE = [{"gate": int(gate), "rise": int(rise)} for gate, rise in zip(SIGMOID[:-1], RISES, strict=True)]


class Sigmoid(Component):
    """One activation in, one gate out."""

    z: In(ELEMENT)
    gate: Out(16)

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.table = table = Memory(shape=ENTRY, depth=len(TABLE), init=TABLE)
        port = table.read_port(domain="comb")
        place = Signal(range(2 * REACH))
        rise = wire(m, "rise", port.data.rise * place[:BETWEEN])
        m.d.comb += [
            place.eq(clamped(m, self.z, -REACH, REACH - 1) + REACH),
            port.addr.eq(place[BETWEEN:]),
            self.gate.eq(port.data.gate + rounded(rise, BETWEEN)),
        ]
        return m
