"""A program one step at a time: its registers after each instruction, or the whole machine in each clock cycle."""

from collections.abc import Mapping
from typing import Any

import traitlets
from jaxtyping import UInt8
from numpy import ndarray

from hardware_sim.assembler import Program, texts
from hardware_sim.paper2024 import golden
from hardware_sim.paper2024.machine import Paper2024Core
from hardware_sim.paper2024.units.rowwise import POINT
from hardware_sim.scoreboard import run
from hardware_sim.trace import total_cycles, waits
from mmf_teach.lesson.figures.timeline import UNIT_COLOURS, WAITING_COLOUR
from mmf_teach.lesson.widgets.explorer import Explorer, script

SHOWN = 4                                    # elements of a register

Memory = Mapping[int, UInt8[ndarray, "bytes"]]


def instruction_rows(program: Program, memory: Memory, machine: Paper2024Core) -> list[dict[str, Any]]:
    """For each instruction plain values: text, meaning, unit, when it waits and works, and what it writes."""
    events = run(program, machine)
    rows = []
    for event, waited, instruction, text, state in zip(
            events, waits(events), program, texts(program, machine.instruction_set),
            golden.steps(program, memory, machine), strict=True):
        target = instruction.operands.get("y")
        rows.append({
            "text": text, "meaning": machine.instruction_set.operations[instruction.mnemonic].meaning,
            "unit": event.unit, "waits": event.issued - waited, "issued": event.issued, "start": event.start,
            "end": event.end, "reason": event.reason, "blocker": event.blocker, "target": target,
            "names": sorted({value for name, value in instruction.operands.items() if name != "@"}),
            "values": None if target is None else (state.registers[target][:SHOWN] / (1 << POINT)).tolist(),
        })
    return rows


class Stepper(Explorer):
    """Question to the reader: which register holds what after each step, and what does an instruction wait for?

    `Stepper(program, memory, machine)` steps through instructions; with `clocked=True` through clock cycles.
    """

    _esm = script("stepper")
    sentence = "A program step by step, with its registers and a button for each direction: run this cell to use it."

    rows = traitlets.List().tag(sync=True)               # as instruction_rows makes them
    colours = traitlets.Dict(UNIT_COLOURS).tag(sync=True)        # unit -> colour
    waiting = traitlets.Unicode(WAITING_COLOUR).tag(sync=True)
    registers = traitlets.Int(8).tag(sync=True)
    clocked = traitlets.Bool(False).tag(sync=True)
    last = traitlets.Int(0).tag(sync=True)               # the last instruction, or the last cycle
    at = traitlets.Int(0).tag(sync=True)                 # instructions done, or the cycle that is shown

    def __init__(self, program: Program, memory: Memory, machine: Paper2024Core, clocked: bool = False,
                 **settings: Any):
        rows = instruction_rows(program, memory, machine)
        last = total_cycles(run(program, machine)) - 1 if clocked else len(rows)
        registers = machine.instruction_set.kinds["y"].limit
        super().__init__(rows=rows, last=max(last, 0), clocked=clocked, registers=registers, **settings)
