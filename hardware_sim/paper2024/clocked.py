"""The published core one clock cycle at a time: slow, and the meaning of all the closed forms beside it.

Course    notebook 11, "Counting cycles"

A unit is a generator: each `yield` is one cycle in which it is busy, and in the first of them it only takes the
instruction. machine.py and units/ give the same events without counting, for fixed latencies as here.
"""

from collections.abc import Iterator, Mapping, Sequence

from hardware_sim.isa import Instruction
from hardware_sim.paper2024.isa import LOAD_STORE, NORM, OPERATIONS, TMATMUL

MATRIX_FIFO = 2048                           # bytes that can wait between memory and adder
READY = object()


def rowwise(width: int) -> Iterator[None]:
    """An element a cycle."""
    yield
    for _element in range(width):
        yield


def norm(width: int) -> Iterator[None]:
    """Squares; means of pairs, then of pairs of those; quotients."""
    yield
    for _square in range(width):
        yield
    means = width // 2
    while means:
        for _mean in range(means):
            yield
        means //= 2
    for _quotient in range(width):
        yield


def load_store(width: int, latency: int) -> Iterator[None]:
    """Taking the instruction already sends the first request; each answer sends the next."""
    yield
    for _byte in range(width):
        for _waiting in range(latency):
            yield


def tmatmul(width: int, latency: int) -> Iterator[None]:
    """A reader fills a queue with bytes, an adder takes a trit a cycle out of it, and then the sums are copied out."""
    to_read = to_add = width * width // 4
    waiting, queue, trits_left = 0, 0, 0     # cycles until the answer; bytes queued; trits of the adder's byte
    yield                                    # takes the instruction
    yield                                    # wakes the reader
    while to_add:
        arrived = False
        if waiting:
            waiting -= 1
            arrived = not waiting
        elif to_read and queue < MATRIX_FIFO:
            waiting, to_read = latency, to_read - 1      # the request goes out in this cycle
        if queue:
            trits_left = (trits_left or 4) - 1
            if not trits_left:
                queue, to_add = queue - 1, to_add - 1
        queue += arrived                     # seen by the adder from the next cycle on
        yield
    for _sum in range(width):
        yield


def unit(instruction: Instruction, width: int, read_latency: int, write_latency: int) -> Iterator[None]:
    """The unit at work on an instruction."""
    name = OPERATIONS[instruction.mnemonic].unit
    if name == LOAD_STORE:
        return load_store(width, read_latency if instruction.mnemonic == "ldv" else write_latency)
    if name == TMATMUL:
        return tmatmul(width, read_latency)
    return norm(width) if name == NORM else rowwise(width)


def run(program: Sequence[Instruction], width: int, read_latency: int, write_latency: int) -> list[tuple[int, int]]:
    """Of each instruction the first cycle of its work, and the first in which its unit is ready again."""
    intervals, working, cycle = [], {}, 0    # working: unit -> its generator, its registers, its instruction's number
    while len(intervals) < len(program) or working:
        for name, (work, _, number) in list(working.items()):
            if next(work, READY) is READY:
                intervals[number] = intervals[number][0], cycle
                del working[name]
        if len(intervals) < len(program):
            instruction, number = program[len(intervals)], len(intervals)
            name, registers = needs(instruction)
            if free(name, registers, working):
                intervals.append((cycle + 1, cycle + 1))
                if name:
                    working[name] = unit(instruction, width, read_latency, write_latency), registers, number
        cycle += 1
    return intervals


def needs(instruction: Instruction) -> tuple[str, set[int]]:
    """Its unit and the registers that it names."""
    operation = OPERATIONS[instruction.mnemonic]
    return operation.unit, {instruction[name] for name in operation.names if name != "@"}


def free(name: str, registers: set[int], working: Mapping[str, tuple]) -> bool:
    """Whether no unit at work stands in the way: the same, one with a register of ours, or the memory's other user."""
    memory = {LOAD_STORE, TMATMUL}
    in_use = set().union(*(held for _, held, _ in working.values()))
    return not (name in working or registers & in_use or (name in memory and memory & set(working)))
