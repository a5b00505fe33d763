"""The same program on the circuit and on the model: every register, every byte, and the cycle of every event.

Course    notebook 12, "From gates up"; notebook 13 tells what came of it
Compared  registers, the norm unit's four numbers, all of memory, start and end of every instruction,
          and the cycle in which the core is ready again
          circuit: rtl/core.py in Amaranth's simulator, with the memory of rtl/memory.py
          model: ternary_core/golden.py for values, scoreboard.py with ternary_core/cost_table.py for cycles
Covered   lanes, row lanes, port and burst sizes, requests under way (each of the two readers has as many as the machine
          says), read latency, number of registers, single and double buffering
Not       memories other than one of fixed latency: no banks, no refresh, nobody else on the bus
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.sim import Simulator, SimulatorContext
from jaxtyping import Int64, UInt8
from numpy import ndarray

from hardware_sim.isa import Instruction
from hardware_sim.rtl.core import Core, words_of
from hardware_sim.rtl.log import Log
from hardware_sim.rtl.memory import FixedLatencyMemory, Request
from hardware_sim.scoreboard import run
from hardware_sim.ternary_core.cost_table import TernaryCore
from hardware_sim.ternary_core.golden import Golden
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.trace import total_cycles

LONGEST = 100_000                            # cycles, after which a program that has not ended is given up


@dataclass(frozen=True)
class RunResult:
    """What a run leaves behind, on the circuit or on the model."""

    cycles: int                              # until the core is ready again
    times: list[tuple[int, int]]             # start and end of each instruction, in cycles
    registers: Int64[ndarray, "registers d"]
    norm: dict[str, int]
    memory: UInt8[ndarray, "bytes"]

    def differences(self, other: "RunResult") -> list[str]:
        """One sentence for each thing that is not the same, among those that were seen here."""
        found = [
            f"instruction {number}: {mine} here, {theirs} there"
            for number, (mine, theirs) in enumerate(zip(self.times, other.times, strict=False)) if mine != theirs
        ]
        if self.cycles != other.cycles:
            found.append(f"{self.cycles} cycles here, {other.cycles} there")
        if len(self.times) != len(other.times):
            found.append(f"{len(self.times)} instructions here, {len(other.times)} there")
        for register, element in np.argwhere(self.registers != other.registers[:len(self.registers)]):
            mine, theirs = self.registers[register, element], other.registers[register, element]
            found.append(f"v{register}[{element}]: {mine} here, {theirs} there")
        found += [f"{name}: {self.norm[name]} here, {other.norm[name]} there"
                  for name in self.norm if self.norm[name] != other.norm[name]]
        found += [f"byte {address:#x} of memory: {self.memory[address]} here, {other.memory[address]} there"
                  for (address,) in np.argwhere(self.memory != other.memory)]
        return found


def on_model(
    machine: Machine, program: Sequence[Instruction], memory: UInt8[ndarray, "bytes"], token: int = 0,
) -> RunResult:
    """Values from the golden simulator, times from the scoreboard."""
    golden = Golden(machine, memory.copy())
    golden.run(program, token)
    events = run(program, TernaryCore(machine))
    times = [(event.start, event.end) for event in events]
    norm = {name: getattr(golden.row_stats, name) for name in ("largest", "squares", "inverse", "code_scale")}
    return RunResult(total_cycles(events), times, golden.registers, norm, golden.memory)


class Circuit:
    """The core of one machine in Amaranth's simulator, built once for many programs."""

    def __init__(self, machine: Machine, core: Core | None = None):
        self.machine, self.core = machine, core or Core(machine)
        self.simulator, self.used = Simulator(self.core), False
        self.simulator.add_clock(1e-6)
        self.simulator.add_testbench(self.bench)

    def run(self, program: Sequence[Instruction], memory: UInt8[ndarray, "bytes"], token: int = 0) -> RunResult:
        """One program, from registers and norm unit all zero.

        ValueError for a program that the core has no room for, TimeoutError for one that does not end.
        """
        self.words = words_of(program, self.core.words, token)
        self.program, self.memory, self.token = program, FixedLatencyMemory(self.machine, memory), token
        if self.used:
            self.simulator.reset()
        self.used = True
        self.simulator.run()
        return self.result

    async def bench(self, sim: SimulatorContext) -> None:
        """Loads the program, plays the memory, and writes down when each instruction is issued and when it is done."""
        core = self.core
        for place, word in enumerate(self.words):
            sim.set(core.store, 1)
            sim.set(core.place, place)
            sim.set(core.word, word)
            await sim.tick()
        sim.set(core.store, 0)
        sim.set(core.token, self.token)
        await sim.tick()
        sim.set(core.run, 1)
        reading, writing = core.reading, core.writing
        wires = sim.tick().sample(
            core.issue, core.number, core.done, core.finished, reading.request, reading.address, reading.beats,
            core.tag, writing.write, writing.address, writing.data)
        log = Log(self.program)
        async for _, _, issue, number, done, finished, *memory in wires:
            if finished:
                break
            if self.memory.cycle == LONGEST:
                raise TimeoutError(f"the program has not ended after {LONGEST:,} cycles")
            log.cycle(self.memory.cycle, issue, number, done)
            response = self.memory.after(Request(*memory))
            sim.set(reading.response, response.valid)
            sim.set(reading.data, response.data)
            sim.set(core.response_tag, response.tag)
        left = np.frombuffer(self.memory.bytes, np.uint8)
        self.result = RunResult(self.memory.cycle + 1, log.times(), self.registers(sim), self.norm(sim), left)

    def registers(self, sim: SimulatorContext) -> Int64[ndarray, "registers d"]:
        """What stands in the register memories."""
        rows = [[list(sim.get(row)) for row in register.memory.data] for register in self.core.registers.all]
        return np.array(rows).reshape(self.machine.registers, self.machine.d)

    def norm(self, sim: SimulatorContext) -> dict[str, int]:
        """The norm unit's own numbers."""
        unit = self.core.units["norm"]
        return {name: sim.get(getattr(unit, name)) for name in ("largest", "squares", "inverse", "code_scale")}
