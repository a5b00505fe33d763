"""The textbook of the machine: instruction sets, what they compute, and when they are done.

It stands alone: of mmf_teach it knows ternary/, the number formats, and four small files that read and write. A model
comes in as arrays. Everything here is plain NumPy; what is compiled lies in mmf_teach/engine and is held to this.

A reading order:

    isa.py            an instruction set is one table, which everything else reads
    assembler.py      text to instructions and back
    paper2024/        the published core: isa.py, units/ (what each computes, when it is done), golden.py for values
                      without a clock; clocked.py goes cycle by cycle and is what all closed forms are held to
    scoreboard.py     when each instruction starts and ends: of any core, for it knows no values
    trace.py          the events that it leaves, and what can be read from them
    dram/             the memory behind a core: fixed_latency.py, bus.py, ddr4.py
    ternary_core/     our own core: isa.py, machine.py (its sizes), units/, golden.py, cost_table.py (for the
                      scoreboard); and how a model becomes a program for it: model.py, layout.py, lowering.py,
                      allocate.py, weights.py, timed by decode.py and timing.py
    energy.py         joules of what was done and moved
    studies/          what is each change worth, which design is best: ladder.py, design_search.py, projection.py
    rtl/              our core as a circuit, in step with its golden simulator and the scoreboard
    gates/            the circuit's gates, to come

On the command line: `python -m hardware_sim time | run | trace PROGRAM`, and `python -m hardware_sim.rtl`.
"""
