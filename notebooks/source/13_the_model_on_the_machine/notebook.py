# %% [markdown] part="III Machine" build="compile the trained model; a better core within a budget"
# # 13 The model on the machine
#
# **Claim.** The trained model runs on the simulated accelerator bit for bit.
#
# Notebooks 10 and 11 gave you words and cycles. Here the model that you know since notebook 00 becomes a program
# of them. You write the pieces that make it one, watch it write text letter by letter as the engine does, and then
# make the machine faster: from the published core, which waits for every byte, to one that its memory cannot feed any
# faster. At the end a contest: the best core within a budget.
#
# 60 to 90 minutes. It builds on [11 Counting cycles](11_counting_cycles.ipynb).

# %%
import numpy as np

from hardware_sim.assembler import texts
from hardware_sim.ternary_core.isa import INSTRUCTION_SET
from hardware_sim.ternary_core.machine import TERNARY_CORE, Machine
from hardware_sim.ternary_core.weights import lower_model
from mmf_teach.lesson import bar, check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import design_ladder, picture, roofline
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import SHIPPED_MODEL

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("13")

# %% [markdown]
# ## A surprise first
#
# The core that was published with the paper asks for a byte of weights, waits until it is there, adds its four trits,
# and asks for the next. At 60 MHz, with the latency that reproduces its 43 ms. The 370M model has 341 million weights.
#
# **How long would that core take for the products of a single token of the 370M model?**

# %%
predict("13.p1", "One token of the 370M model, products alone:", unit="seconds")

# %%
from hardware_sim.studies.ladder import design_steps, tiles_of as count_tiles, trits_of
from mmf_teach.cost.sizes import sizes

rungs = list(design_steps(sizes("370M", "matmul_free")))
first = rungs[0]
reveal("13.p1", round(first.cycles / (first.clock_mhz * 1e6), 1), unit="seconds (simulated)")

# %% [markdown]
# Twenty seconds for a word piece; the last design of this notebook writes two hundred in *one* second, with the same
# arithmetic. None of that comes from adding instead of multiplying: the published core did not multiply either.
#
# **What you will be able to do:** cut matrices into tiles and give everything an address; say which value leaves a
# register when all are full; show that a machine computes what the model means, to the last bit; tell from two numbers
# what limits a core; write a law that any clock must keep; take a projection apart; and design within a budget.

# %% [markdown]
# ## 1  A matrix becomes tiles
#
# Our core multiplies a *tile* of d × d trits with a register of d codes, and knows no other size. A matrix of 3 × 5
# trits on a machine with d = 2 is filled up with zeros to 4 × 6 and cut:
#
# | | | |
# |---|---|---|
# | tile 0 | tile 1 | tile 2 |
# | tile 3 | tile 4 | tile 5 |
#
# The zeros are read and added up like everything else. They cost time, and change nothing.
#
# **Exercise 13.1** Cut a matrix into tiles, row of tiles by row of tiles. Return an array of [tiles, d, d].

# %% solution="hardware_sim.ternary_core.lowering_reference:tiles_of"
def tiles_of(trits, d):
    todo("fill up with zeros, then cut")

# %%
check("13.1", tiles_of)

# %%
tiles_of = use("13.1")
shape = sizes("shipped", "matmul_free")
for d in (32, 64, 128, 256):
    tiles = count_tiles(shape, d)
    share = d * d * tiles / trits_of(shape)
    print(f"d = {d:3}: {tiles:5,} tiles, {share:.2f} times the model's trits (counted)")

# %% [markdown]
# Wide tiles waste room at the edges: 352 inner features fill two and three quarter tiles of 128, and one and a bit of
# 256. Narrow tiles waste none, but there are many, and each has a beginning and an end. You will meet that choice again
# in the contest.

# %% [markdown]
# ## 2  Everything has an address
#
# Trits, biases, embeddings, memories: all lie in one memory, one after the other. Each region begins at a multiple of
# 64 bytes, so that no vector is torn between two bursts. By hand, with 100 bytes of trits and 4 of bias: trits at 0,
# and the bias not at 100 but at **128**.
#
# **Exercise 13.2** Return where each region begins. `sizes` maps names to bytes, in order.

# %% solution="hardware_sim.ternary_core.lowering_reference:addresses"
def addresses(sizes, line):
    todo("the first free address, rounded up after each region")

# %%
check("13.2", addresses)

# %% [markdown]
# ## 3  Eight registers for three hundred values
#
# A token makes 334 values of d numbers in the model that comes with the course: gates, candidates, sums. The core has
# eight registers. What does not fit goes to memory and comes back, which costs the very cycles that the trits need.
#
# The program has no branches, so the compiler knows the future. Registers hold x, f and c; they will be read in the
# order c, x, c, f. One must go. Not c, it comes next. Not x, it comes after that. **f**, which is read last.
#
# **Exercise 13.3** Return which value to give up. One that is never read again goes first.

# %% solution="hardware_sim.ternary_core.lowering_reference:give_up"
def give_up(held, later):
    todo("when is each value read next?")

# %%
check("13.3", give_up)

# %% [markdown]
# **Exercise 13.4** With that rule, how many loads does a whole program need? All lines are here, in the wrong order.
# Move them, then press *Check*.

# %%
parsons("13.4")

# %%
count_loads = use("13.4")
program = list("xfxcxgfchxhgoxgughudxeabxeqfabrcqsxr")
for registers in (2, 3, 4, 6, 8):
    loads = count_loads(program, registers)
    print(f"{registers} registers: {loads:2} loads for {len(program)} reads")

# %% [markdown]
# No rule loads less (Belady proved it in 1966 for memory pages), but only who knows the future can follow it. Caches
# cannot. Compilers of straight programs can.
#
# ## 4  The model runs
#
# `lower_model` does what you did, for the whole model: a program of instructions, and a memory of bytes on which it
# begins. Here are the first twenty instructions: a row of the embedding, its norm and its codes, three maps of block 0.

# %%
model, letters = load_model(SHIPPED_MODEL)
integer = integer_model(model)
lowered, memory = lower_model(integer, TERNARY_CORE)
print(f"{len(lowered.program):,} instructions a token, {len(memory):,} bytes of memory")
print("\n".join(texts(lowered.program, INSTRUCTION_SET)[:20]))

# %%
for name in ("embedding", "b0.to_f", "b0.to_gate", "b0.to_f.bias", "memories", "scores"):
    region = lowered.map.named(name)
    print(f"{region.start:>8,} to {region.end:>8,}  {name} ({region.use})")

# %% [markdown]
# Now three machines read the same text: the model in whole numbers (notebook 04), the golden simulator, which follows
# the program instruction by instruction, and its compiled form. **Every score, and every memory, must be equal.**

# %%
from hardware_sim.ternary_core.golden import Golden
from mmf_teach.engine.accelerator import Accelerator

text = letters.encode("To be, or not to be")
golden, core = Golden(TERNARY_CORE, memory.copy()), Accelerator(integer, TERNARY_CORE)
state, of_core = integer.initial_state(1), core.initial_state(1)
place = lowered.layout.scores.start
for letter in text:
    scores, state = integer.step(np.array([letter]), state)
    by_core, of_core = core.step(np.array([letter]), of_core)
    golden.run(lowered.program, int(letter))
    by_golden = golden.memory[place:place + 4 * len(letters)].view("<i4")
    assert (scores == by_core).all() and (scores[0] == by_golden).all()
    assert (state == of_core).all()
assert golden.saturated == 0 and core.saturated == 0
print(f"{len(text)} letters: scores and memories agree bit for bit; nothing overflowed")

# %% [markdown]
# So the machine may write. **How many letters a second does our core write at 200 MHz?** (64 lanes, 16 bytes a cycle.
# What did the engine of notebook 04 reach on a core of your processor, at 3 GHz or so?)

# %%
predict("13.p2", "The trained model on our core at 200 MHz:", unit="letters/s")

# %%
from mmf_teach.engine.runtime import Engine
from mmf_teach.model.generate import generate

reveal("13.p2", round(TERNARY_CORE.clock_mhz * 1e6 / core.timing.cycles),
       unit="letters/s (simulated)")
prompt = letters.encode("ROMEO:")
written = letters.decode(list(generate(core, prompt, 120, seed=1)))
assert written == letters.decode(list(generate(Engine(integer), prompt, 120, seed=1)))
print("ROMEO:" + written)

# %% [markdown]
# Letter for letter what the engine wrote in notebook 04. From the integer model to the machine nothing was rounded on
# the way. And the machine is not only a program's idea of one. Its circuit ran this very program, under Verilator: every
# byte of memory, and the first and last cycle of every instruction, were those of this simulator
# (`python -m hardware_sim.rtl --shipped 3`; it takes minutes, so it is not run here).

# %% [markdown]
# ## 5  What limits a core
#
# Two numbers say how fast a core can be at best. Its *lanes* add so many trits a cycle. Its *memory port* brings so
# many bytes a cycle, with four trits in each. By hand: 1,024 trits, 4 lanes, 4 bytes a cycle. Adding takes 256 cycles,
# reading 64.
#
# **Exercise 13.5** Somebody says that makes 320 cycles, and wrote the function below. But lanes and port work at once.
# Mend it.

# %% solution="hardware_sim.studies.ladder:roof"
def roof(trits, lanes, port_bytes, clock_mhz):
    """Tokens a second that neither lanes nor memory port allow to be exceeded."""
    cycles = trits / lanes + trits / (4 * port_bytes)
    return clock_mhz * 1e6 / cycles

# %%
check("13.5", roof)

# %% [markdown]
# ## The ladder
#
# Now from the published core to one that its memory cannot feed any faster, on the 370M model, one change at a time.
# Before you look: **which of these steps gains nothing at all?**

# %%
choices = ("reads overlap", "wider beats", "double buffers", "16 row lanes")
predict("13.p3", "A step of the ladder that gains nothing:", choices=choices)

# %%
from itertools import pairwise

gains = [now.tokens_per_second / was.tokens_per_second for was, now in pairwise(rungs)]
by_gain = {rung.name: gain for rung, gain in zip(rungs[1:], gains, strict=True)}
reveal("13.p3", min(choices, key=by_gain.get))
for rung, gain in zip(rungs, [1.0, *gains], strict=True):
    print(f"{rung.name:19} {rung.tokens_per_second:7.2f} tokens/s, x {gain:5.2f}: {rung.why}")

# %%
speeds_of = {rung.name: (rung.tokens_per_second, rung.lanes_roof, rung.port_roof) for rung in rungs}
unit = "tokens a second, 370M (simulated)"
picture(design_ladder(speeds_of, "Whichever roof is lower decides", unit))

# %% [markdown]
# Read it from the top. The published core is far from both its marks: it *waits*. When reads overlap it runs into its
# one lane, and there it stays, however wide its memory becomes: **wider beats are the control**, a change in the wrong
# place. Only with 256 lanes do both marks meet, and then the small things count: asking for the next tile early, and
# norms that keep up. Five times the clock gains a third at first, because memory is no nearer than before.
#
# On the roofline all designs stand in one column, with nearly four trits to a byte. They climb.

# %%
last = rungs[-1]
shown = ("published core", "reads overlap", "256 lanes", "64 reads under way")
points = {
    rung.name: (rung.intensity, rung.trits * rung.tokens_per_second)
    for rung in rungs if rung.name in shown
}
peak, bandwidth = last.lanes * last.clock_mhz * 1e6, last.port_bytes * last.clock_mhz * 1e6
title = "A column of designs under the last one's roof (simulated)"
picture(roofline(peak, bandwidth, points, title))
used = f"{100 * last.port_share:.0f} % of {bandwidth / 1e9:.1f} GB/s"
print(f"the last one uses {used} (simulated)")

# %% [markdown]
# 19.2 GB/s is what one channel of DDR4-2400 delivers at best. The design that saturates it is not exotic: 256 adders,
# 16 row lanes and a queue. To go further it needs fewer bits a weight, more channels, or several sequences at once.

# %% [markdown]
# ## 6  A law for every clock
#
# You believe these numbers because a simulator says so. Why should you? It was compared with a circuit. Here is a
# cheaper test, one that any simulator must pass.
#
# **Exercise 13.6** You are handed `cycles(lanes, port_bytes, latency)`: how long a tile of 4,096 trits takes. Could a
# machine need so long? Lanes and bytes are powers of two: use 1 to 64 lanes, and 4 to 64 bytes. The check tries your
# test on a right machine and on eight impossible ones.

# %% solution="exercises:is_a_possible_clock"
def is_a_possible_clock(cycles):
    todo("a least number of cycles, and comparisons of better machines with worse ones")

# %%
check("13.6", is_a_possible_clock)

# %%
from hardware_sim.ternary_core.units import tmatmul

is_a_possible_clock = use("13.6")

def of_a_tile(lanes, port_bytes, latency):
    machine = Machine(
        d=64, lanes=lanes, row_lanes=4, port_bytes=port_bytes, burst_bytes=64, outstanding=4,
        read_latency=latency, double_buffer=False)
    return tmatmul.cycles(machine)

assert is_a_possible_clock(of_a_tile)
print("a tile of our core passes")

# %% [markdown]
# ## 7  A projection taken apart
#
# With the paper came a number for the 1.3B model: 23.8 tokens a second, *projected*. No core ran at that speed. It is
# the time of one block, times 24 blocks, divided by 64, since a memory access could be 64 times as wide.
#
# **Exercise 13.7** Which bandwidth does a speed imply, if every weight must come by once for each token?

# %% solution="hardware_sim.studies.projection:needed_gigabytes_per_second"
def needed_gigabytes_per_second(weights, bits, tokens_per_second):
    todo("bytes of a token, so many times a second, in gigabytes of 10⁹")

# %%
check("13.7", needed_gigabytes_per_second)

# %%
from hardware_sim.studies.projection import projection

needed_gigabytes_per_second = use("13.7")
claim = projection(sizes("1.3B", "matmul_free"))
steps = f"{claim.blocks} blocks x {claim.block_ms} ms / {claim.faster}"
print(f"{steps} = {claim.token_ms:.1f} ms a token")
print(f"that is {claim.tokens_per_second:.1f} tokens/s (quoted as 23.8)")
needed = needed_gigabytes_per_second(claim.weights, 2, claim.tokens_per_second)
print(f"needed: {claim.weights / 4e6:.0f} MB a token, {needed:.1f} GB/s (modelled)")
there = claim.there_gigabytes_per_second
print(f"there:  {claim.faster} bytes x {claim.clock_mhz} MHz = {there:.2f} GB/s (modelled)")

# %% [markdown]
# The projection needs **twice** what 64 bytes in every cycle of 60 MHz bring. It also divides *everything* by 64, and
# your ladder shows what a 64 times wider beat gains by itself: nothing, until the lanes follow. So read 23.8 as an
# extrapolation that assumes a faster clock or more channels, and not as a measurement. It is not out of reach: the last
# rung of your ladder, with its one channel, has bandwidth for 62 tokens a second at 1.3B.
#
# What cannot be known: which block was timed. The program in the released code is a token mixer without a channel mixer,
# a quarter of a block. Notebook 11 has the details.

# %% [markdown]
# ## 8  The contest
#
# Your turn: the fastest core for the trained model within a budget. A lane counts as one adder, a row lane as 16, for it
# multiplies. Registers and buffers are bits of SRAM. Port times clock is bandwidth. The memory needs 120 ns, whatever
# your clock.

# %%
from hardware_sim.studies.design_search import budget, enter, groups, ranked, speeds, table
from mmf_teach.quantity import QuantityTable

QuantityTable(table())

# %% [markdown]
# **Search first, or think first?** A program tries all designs on the menu, a few thousand, and ranks them. Think first:
# commit what you expect to matter.

# %%
choices = ("a wide register (d = 128)", "many registers", "many lanes", "a wide port, a low clock")
predict("13.p4", "The best design within the budget has:", choices=choices)

# %%
from mmf_teach.engine.ternary_core.scoreboard import count_cycles

limit, found = budget(), []
parts = groups(limit)
for group in bar(parts, "searching"):
    found += speeds(shape, group, count_cycles)
best = ranked(found, limit)
top = best[0].machine
print(f"{len(best):,} designs keep the budget; the best write these letters a second (simulated):")
for one in best[:5]:
    m = one.machine
    size = f"d {m.d}, {m.registers} registers, {m.lanes} lanes, {m.row_lanes} row lanes"
    port = f"{m.port_bytes} B x {m.clock_mhz} MHz"
    print(f"{one.tokens_per_second:6,.0f}  {size}, {port}, {m.outstanding} reads under way")

# %%
many, wide = top.registers > TERNARY_CORE.registers, top.d >= TERNARY_CORE.d
reveal("13.p4", choices[1] if many else choices[0] if wide else choices[2])

# %% [markdown]
# The best within this budget is *narrow*: registers of 32 numbers, but many of them, so that hardly anything waits in
# memory, and tiles that waste nothing at the edges. More lanes than memory can feed would lie idle.
#
# **Enter your own.** Change the numbers and run the cell again, as often as you like. What does not fit the budget, or
# cannot be built, gets a sentence. Is there a design that beats the search, with sizes that are not on its menu?

# %%
my_design = {
    "d": 64, "registers": 8, "lanes": 32, "row_lanes": 8, "port_bytes": 8, "burst_bytes": 16,
    "outstanding": 8, "double_buffer": True, "clock_mhz": 200,
}
print(enter(my_design, shape, limit, best))

# %%
print(enter(my_design | {"d": 128}, shape, limit, best))
print(enter(my_design | {"lanes": 33}, shape, limit, best))

# %% [markdown]
# The search is exhaustive here because a timing takes a millisecond. `search(shape, limit, tries=500, n_jobs=2)` looks
# at random ones and shares the work between processes; on a cluster, `with joblib.parallel_config("dask"):` around it
# sends it there.

# %% [markdown]
# ## What this leaves out
#
# * The clock is a choice here. In silicon it is a result: wide adder trees and large register files lower it.
# * Adders and bits are counted, not laid out. Wires, power and heat are not in the budget.
# * The memory answers after a fixed time. DDR4 with banks and refresh (notebook 11) loses another 5 to 33 %.
# * One sequence at a time. A batch reads each tile once for all and moves the roof; this core cannot.
# * The published core is timed by its products alone, in tiles of 512, for it cannot run the rest.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready to pay for it in joules.

# %%
exit_ticket("13")

# %% [markdown]
# In one sentence, for yourself: of the factor of four thousand between the first and the last rung, how much came from
# arithmetic?
#
# Next: 14 Joules per token, which is still to come.
