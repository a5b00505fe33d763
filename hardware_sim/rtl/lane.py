"""A ternary lane: it adds a value to a sum, subtracts it, or leaves the sum alone. The machine has no smaller part.

Course    notebook 12, "From gates up"
Equation  total = sum + trit · code
Trits     00 is 0, 01 is +1, 11 is -1: the low bit says whether there is anything to add, the high bit its sign
Cycles    none: the total is there in the cycle in which the trit is
"""

from amaranth import Module, Mux, Shape, signed
from amaranth.lib.wiring import Component, In, Out

CODE = signed(8)


def sum_shape(inputs: int) -> Shape:
    """As wide as a sum of so many codes can get."""
    return Shape.cast(range(-(inputs << 7), (inputs << 7) + 1))


class TernaryLane(Component):
    """One accumulator's adder. Subtracting is adding all bits turned over, and one more: no second adder."""

    def __init__(self, inputs: int):
        shape = sum_shape(inputs)
        super().__init__({"sum": In(shape), "code": In(CODE), "trit": In(2), "total": Out(shape)})

    def elaborate(self, platform: None) -> Module:
        m = Module()
        something, negative = self.trit[0], self.trit[0] & self.trit[1]
        turned = Mux(negative, ~self.code, Mux(something, self.code, 0))
        m.d.comb += self.total.eq(self.sum + turned + negative)
        return m
