"""Division as at school, in base 2: bring down a bit, subtract the divisor if it fits, write 1 or 0.

Course    notebook 12, "From gates up"
Equation  quotient = dividend // divisor; all ones for a divisor of 0, as long division has it
Cycles    64 after the one in which it starts, whatever the numbers
"""

from amaranth import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out

DIVIDEND, DIVISOR = 64, 48                   # bits

STEPS = DIVIDEND                             # one a bit


class Divider(Component):
    """Restoring division, one bit of the quotient a cycle."""

    start: In(1)
    dividend: In(DIVIDEND)
    divisor: In(DIVISOR)
    busy: Out(1)
    quotient: Out(DIVIDEND)                  # holds what is left of the dividend until its bits are replaced

    def elaborate(self, platform: None) -> Module:
        m = Module()
        divisor = Signal(DIVISOR)
        remainder = Signal(DIVISOR)
        left = Signal(range(STEPS + 1))
        brought_down = Cat(self.quotient[-1], remainder)
        fits = Signal()
        m.d.comb += [self.busy.eq(left != 0), fits.eq(brought_down >= divisor)]
        with m.If(self.start):
            m.d.sync += [divisor.eq(self.divisor), self.quotient.eq(self.dividend), remainder.eq(0), left.eq(STEPS)]
        with m.Elif(self.busy):
            m.d.sync += [
                self.quotient.eq(Cat(fits, self.quotient)),
                remainder.eq(brought_down),
                left.eq(left - 1),
            ]
            with m.If(fits):
                m.d.sync += remainder.eq(brought_down - divisor)
        return m
