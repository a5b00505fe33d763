"""Rounding shifts and saturation as circuits: what every unit does to a number before it writes it.

Course    notebook 12, "From gates up"
Equation  rounded(x, s) = (x + 2^(s-1)) >> s
Source    ternary/fixed_point.py, bit for bit
"""

from amaranth import Const, Module, Shape, Signal, Value, signed
from amaranth.utils import bits_for

ELEMENT = signed(32)                         # one element of a vector register
LARGEST = (1 << (ELEMENT.width - 1)) - 1     # what saturates stops here, or at -LARGEST - 1


def wire(m: Module, name: str, value: Value) -> Signal:
    """A name for a value: as wide as it must be, computed once, seen in waveforms."""
    signal = Signal(value.shape(), name=name)
    m.d.comb += signal.eq(value)
    return signal


def rounded(x: Value, bits: int | Value) -> Value:
    """x / 2**bits, to the nearest whole number, halves up."""
    half = 1 << bits >> 1 if isinstance(bits, int) else (Const(1, 1) << bits)[1:]
    return (x + half) >> bits


def clamped(m: Module, x: Value, low: int, high: int) -> Value:
    """x, but never below `low` nor above `high`; as wide as the two need."""
    x = wire(m, "exact", x)
    signed_too = low < 0
    result = Signal(Shape(max(bits_for(low, signed_too), bits_for(high, signed_too)), signed_too), name="clamped")
    with m.If(x < low):
        m.d.comb += result.eq(low)
    with m.Elif(x > high):
        m.d.comb += result.eq(high)
    with m.Else():
        m.d.comb += result.eq(x)
    return result


def saturated(m: Module, x: Value) -> Value:
    """x as an element: where 32 bits are too few, the largest or smallest number there is."""
    return clamped(m, x, -LARGEST - 1, LARGEST)
