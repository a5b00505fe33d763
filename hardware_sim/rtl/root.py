"""A square root digit by digit, in base 2: bring down two bits, subtract 4·root + 1 if it fits, write 1 or 0.

Course    notebook 12, "From gates up"
Equation  root = the largest whole number whose square is at most the radicand
Cycles    32 after the one in which it starts, whatever the number
"""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out

RADICAND, ROOT = 64, 32                      # bits

STEPS = ROOT                                 # one a bit of the root


class Root(Component):
    """One bit of the root a cycle."""

    start: In(1)
    radicand: In(RADICAND)
    busy: Out(1)
    root: Out(ROOT)

    def elaborate(self, platform: None) -> Module:
        m = Module()
        rest = Signal(RADICAND)              # bits not yet brought down, at the top
        remainder = Signal(ROOT + 2)
        left = Signal(range(STEPS + 1))
        brought_down = Cat(rest[-2:], remainder)
        trial = Cat(Const(1, 2), self.root)
        fits = Signal()
        m.d.comb += [self.busy.eq(left != 0), fits.eq(brought_down >= trial)]
        with m.If(self.start):
            m.d.sync += [rest.eq(self.radicand), remainder.eq(0), self.root.eq(0), left.eq(STEPS)]
        with m.Elif(self.busy):
            m.d.sync += [
                rest.eq(rest << 2),
                self.root.eq(Cat(fits, self.root)),
                remainder.eq(brought_down),
                left.eq(left - 1),
            ]
            with m.If(fits):
                m.d.sync += remainder.eq(brought_down - trial)
        return m
