"""From the largest magnitude and the sum of squares: one reciprocal and one scale, bit by bit.

Course    notebook 12, "From gates up"
Equation  mean = squares // n + ε,  rms = root(mean),  inverse = (127 << 24) // largest,
          code_scale = (largest << 32) // (127 · rms)
Source    ternary/fixed_point.py: codes, root_mean_square and code_scale, to the last bit
Cycles    229: load, 64 bits of the mean, load, 32 of its root, load, 64 of the inverse, load, 64 of the scale, keep;
          always all of them, so that no number changes the time
"""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from hardware_sim.rtl.arithmetic import wire
from hardware_sim.rtl.divider import DIVIDEND, Divider
from hardware_sim.rtl.root import Root
from hardware_sim.ternary_core.isa import INSTRUCTION_SET
from mmf_teach.ternary.fixed_point import INVERSE, LARGEST_CODE, LARGEST_MEAN, ROOT, SCALE, SMALLEST_SQUARE, to_fixed

SQUARES = 63                                 # bits: the sum of squares stops at the largest number they hold
LARGEST = 32                                 # bits of the largest magnitude
FACTOR = 31                                  # bits of the inverse, and of what sums are multiplied with
BITS = INSTRUCTION_SET.kinds["bits"]
EPSILONS = [int(to_fixed(SMALLEST_SQUARE, 2 * bits)) for bits in range(BITS.low, BITS.limit)]


class Finish(Component):
    """One divider, used three times, and a root."""

    start: In(1)
    largest: In(LARGEST)
    squares: In(SQUARES)
    n: In(16)
    bits: In(5)
    busy: Out(1)
    done: Out(1)                             # this is the last cycle
    inverse: Out(FACTOR)
    code_scale: Out(FACTOR)

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.divider = divider = Divider()
        m.submodules.root = root = Root()
        largest = wire(m, "at_least_one", Mux(self.largest == 0, 1, self.largest))
        fits = Signal()                      # there is room for ROOT more bits under the root
        mean = wire(m, "mean", (divider.quotient + Array(EPSILONS)[self.bits - BITS.low])[:DIVIDEND])
        rms = wire(m, "rms", Mux(fits, root.root, root.root << ROOT))
        ready = wire(m, "ready", ~divider.busy & ~root.busy)

        with m.FSM() as machine:
            with m.State("idle"):
                with m.If(self.start):
                    m.next = "load mean"
            with m.State("load mean"):
                m.d.comb += [divider.start.eq(1), divider.dividend.eq(self.squares), divider.divisor.eq(self.n)]
                m.next = "mean"
            with m.State("mean"), m.If(ready):
                m.d.comb += [root.start.eq(1), root.radicand.eq(Mux(mean < LARGEST_MEAN, mean << 2 * ROOT, mean))]
                m.d.sync += fits.eq(mean < LARGEST_MEAN)
                m.next = "root"
            with m.State("root"), m.If(ready):
                m.d.comb += [divider.start.eq(1), divider.dividend.eq(LARGEST_CODE << INVERSE)]
                m.d.comb += divider.divisor.eq(largest)
                m.next = "inverse"
            with m.State("inverse"), m.If(ready):
                m.d.comb += [divider.start.eq(1), divider.dividend.eq(largest << SCALE + ROOT)]
                m.d.comb += divider.divisor.eq(LARGEST_CODE * rms)
                m.d.sync += self.inverse.eq(divider.quotient)
                m.next = "code scale"
            with m.State("code scale"), m.If(ready):
                m.d.sync += self.code_scale.eq(divider.quotient)
                m.d.comb += self.done.eq(1)
                m.next = "idle"
        m.d.comb += self.busy.eq(~machine.ongoing("idle"))
        return m
