"""The same circuit as a compiled program: Amaranth writes it down, Yosys turns that into Verilog, Verilator into C++.

Course    notebook 12, "From gates up"; notebook 13 tells what came of it

Hundreds of times faster than Amaranth's own simulator once it is built, so that the widths of real machines can be
compared, too. Registers are seen through memory: let the program store them.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import which

import numpy as np
from amaranth.back import rtlil
from jaxtyping import UInt8
from numpy import ndarray

from hardware_sim.isa import Instruction
from hardware_sim.rtl.core import BITS, WORDS, Core, words_of
from hardware_sim.rtl.cosim import RunResult
from hardware_sim.rtl.log import Log
from hardware_sim.ternary_core.machine import Machine

TOOLS = ("yosys", "verilator", "g++", "make")
WORD_BYTES = -(-BITS // 8)
BENCH = Path(__file__).with_name("bench.cpp")
VERILATOR = (
    "verilator", "--cc", "--exe", "--build", "-j", "1", "-Wno-fatal", "--top-module", "top", "--x-initial", "0",
    "-CFLAGS", "-O1", "--Mdir")


def missing_tools() -> list[str]:
    """Which of the tools needed are not installed here."""
    return [tool for tool in TOOLS if which(tool) is None]


def build(machine: Machine, folder: Path, words: int = WORDS) -> Path:
    """The core as a program, in an empty folder. OSError for a tool that is not there or fails."""
    core, text = Core(machine, words), folder / "core.il"
    ports = {"_".join(path): (signal, None) for path, _, signal in core.signature.flatten(core)}
    text.write_text(rtlil.convert(core, ports=ports, emit_src=False), "utf-8")
    call("yosys", "-q", "-p", f"read_rtlil {text}; proc; write_verilog -noattr {folder / 'core.v'}")
    call(*VERILATOR, str(folder / "made"), str(folder / "core.v"), str(BENCH))
    return folder / "made" / "Vtop"


def run(
    core: Path, machine: Machine, program: Sequence[Instruction], memory: UInt8[ndarray, "bytes"], token: int = 0,
    words: int = WORDS,
) -> RunResult:
    """Times and memory; no registers and nothing of the norm unit. ValueError for a program without room."""
    text, image = core.with_name("program.bin"), core.with_name("memory.bin")
    text.write_bytes(b"".join(word.to_bytes(WORD_BYTES, "little") for word in words_of(program, words, token)))
    image.write_bytes(memory.tobytes())
    sizes = map(str, (WORD_BYTES, machine.port_bytes, machine.read_latency, token))
    log = Log(program)
    *lines, finished = call(str(core), str(text), str(image), *sizes).splitlines()
    for line in lines:
        log.cycle(*map(int, line.split()))
    left = np.frombuffer(image.read_bytes(), np.uint8)
    return RunResult(int(finished) + 1, log.times(), np.empty((0, machine.d), np.int64), {}, left)


def call(*command: str) -> str:
    """What a tool prints. OSError with its own words when it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout
