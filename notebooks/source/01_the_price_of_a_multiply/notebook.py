# %% [markdown] part="I Arithmetic" build="an operation counter, a roofline"
# # 01 The price of a multiply
#
# **Claim.** Moving a number costs more than multiplying it.
#
# A model without matrix multiplication sounds as if multiplying were the expensive part. Here you find out what is.
# By the end you will have written a counter of operations, a bill of energy and a roofline, and put a
# matrix-vector product under all three.
#
# 60 to 90 minutes. It builds on [00 Start here](00_start_here.ipynb).

# %%
from collections import Counter

from mmf_teach.cost import probe
from mmf_teach.cost.counted_number import Counted
from mmf_teach.cost.energy import BITS
from mmf_teach.cost.roofline import intensity, ridge
from mmf_teach.lesson import check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import EnergySplit, energy_split, picture, roofline, stacked_bars, style
from mmf_teach.lesson import hint, show
from mmf_teach.quantity import QuantityTable, load

# %% [markdown]
# ## Before you begin
#
# Five questions about what you have seen so far. Answer from memory; each choice tells you why.

# %%
warm_up("01")

# %% [markdown]
# ## A surprise first
#
# A chip from around 2014 adds two 8-bit integers. Next to it, it reads 64 bits from DRAM. Both cost energy.
# **How many such additions could it do for the energy of that one read?** Commit a guess, then run on.

# %%
predict("01.p1", "Additions for one read of 64 bits from DRAM:", unit="additions")

# %%
costs = load("horowitz_2014")
additions_for_one_read = costs["dram_read"].value / costs["int8_add"].value
assert 60_000 < additions_for_one_read < 70_000
reveal("01.p1", additions_for_one_read, unit="additions (from quoted energies)")

# %% [markdown]
# Most people are off by a factor of a hundred or more. Keep that number in mind: whoever says that a model is
# cheap because it *adds instead of multiplies* has not yet said where its weights come from.
#
# **What you will be able to do:** count what a product of matrix and vector does; turn counts into energy with
# sourced costs; turn weights into bytes and bytes into energy; say from a roofline what limits a computation; and
# tell when cheaper arithmetic pays.

# %% [markdown]
# ## 1  Counting
#
# Begin small enough for a pencil. Two weights, two inputs:
#
# $$2.0 \times 3.0 + 0.5 \times 4.0 = 8.0$$
#
# As a loop: start from 0, then for each pair multiply once and add once. That makes 2 multiplications and 2
# additions. (You could save the first addition; loops on machines usually do not.)
#
# A `Counted` number does the pencil's bookkeeping: it has a value and a tally, and each `+`, `-` and `*` of such
# numbers adds one to the tally.

# %%
tally = Counter()
three, four = Counted(3.0, tally), Counted(4.0, tally)
result = three * four + three
print(result.value, dict(tally))

# %% [markdown]
# **Exercise 01.1** Write a dot product that counts itself. Return the value (a float) and the tally.
# Refuse lists of unequal length with a `ValueError`.
#
# Any exercise has hints: `hint("01.1")` gives one more each time. `show("01.1")` prints the library's answer.

# %% solution="mmf_teach.cost.counted_number:counted_dot"
def counted_dot(weights, inputs):
    todo("a loop over zip(weights, inputs, strict=True)")

# %%
check("01.1", counted_dot)

# %% [markdown]
# If your function passed, the rest of the notebook uses it. If not, it uses the library's, and says so.

# %%
counted_dot = use("01.1")
value, tally = counted_dot([1.0, -1.0, 0.0, 1.0], [5.0, 7.0, 9.0, 11.0])
print(value, dict(tally))

# %% [markdown]
# Look at those weights: 1, -1, 0, 1. The loop multiplied four times all the same. Somebody who *knew* that only
# these three values occur would have needed two additions and one subtraction. That is notebook 02.
#
# **Exercise 01.2** A matrix has many rows, and each is a dot product. Return a `Counter` with the entries
# `"multiply"` and `"add"` for the whole product of a matrix with `width_out` rows and `width_in` columns.

# %% solution="mmf_teach.cost.counted_number:matvec_operations"
def matvec_operations(width_out, width_in):
    todo("how many weights are there?")

# %%
check("01.2", matvec_operations)

# %% [markdown]
# Three ways to the same count should agree: the loop that counts itself, the closed formula, and a real
# product whose numbers are `Counted`.

# %%
matvec_operations = use("01.2")
rows, inputs = [[2.0, 0.5], [1.0, 4.0], [3.0, 3.0]], [3.0, 4.0]

by_loop = sum((counted_dot(row, inputs)[1] for row in rows), Counter())
by_formula = matvec_operations(3, 2)
by_hand = Counter(multiply=6, add=6)
assert by_loop == by_formula == by_hand
by_formula

# %% [markdown]
# ## 2  What an operation costs
#
# Here are energies of single operations on a 45 nm chip. The badge says what kind of number each is; hover over
# it for the source. These are *quoted*: somebody else's, with a reference. Some were not read in the original,
# and say so.

# %%
operations = ["int8_add", "int32_add", "int8_mul", "int32_mul", "fp16_add", "fp16_mul", "fp32_mul"]
QuantityTable({name: costs[name] for name in operations})

# %% [markdown]
# A floating-point multiplication costs 37 times as much as a 32-bit integer addition. So far the case for adding
# looks strong.
#
# **Exercise 01.3** A bill of energy is the sum of counts times costs, and an operation without a known cost must
# not slip through as free. All lines are here, but in the wrong order. Move them, then press *Check*.

# %%
parsons("01.3")

# %% [markdown]
# (No mouse? Tab to an arrow and press Enter: the focus stays with the line you move.)
#
# In code, a matrix-vector product of 1,024 by 1,024 in fp16, and one that only adds 32-bit integers:

# %%
assert round(costs["fp32_mul"].value / costs["int32_add"].value) == 37
energy_pj = use("01.3")
counts = matvec_operations(1024, 1024)
fp16 = energy_pj({"fp16_mul": counts["multiply"], "fp16_add": counts["add"]}, costs)
only_adds = energy_pj({"int32_add": counts["add"]}, costs)
print(f"fp16: {fp16 / 1e6:.2f} µJ; additions alone: {only_adds / 1e6:.2f} µJ (modelled, 45 nm)")
print(f"ratio {fp16 / only_adds:.0f}")

# %% [markdown]
# Fifteen times less: that is the headline of many a paper. Now for the part of the bill that headlines leave out.
#
# ## 3  What moving costs
#
# Every weight must come from somewhere. A weight is read, used once, and for the next token read again.

# %%
memories = ["sram_8kb_read", "sram_32kb_read", "sram_1mb_read", "dram_read"]
QuantityTable({name: costs[name] for name in memories})

# %% [markdown]
# The further away, the dearer: DRAM costs more than a hundred times what a small memory next to the adder does.
#
# **Exercise 01.4** How many bytes do weights take? At 1.6 bits a weight the last byte may not be full, but it has
# to be there. A negative number of weights, or no bits at all, is a mistake: raise `ValueError`.

# %% solution="mmf_teach.cost.traffic:weight_bytes"
def weight_bytes(weights, bits):
    todo("whole bytes")

# %%
check("01.4", weight_bytes)

# %% [markdown]
# **Exercise 01.5** And what does it cost to move them? Costs come in different units; `BITS` says how many bits
# one unit pays for. A cost in any other unit is not a cost of moving: `ValueError`.

# %%
print(BITS)

# %% solution="mmf_teach.cost.energy:moving_pj"
def moving_pj(data_bytes, cost):
    todo("bits moved, times the energy of a bit")

# %%
check("01.5", moving_pj)

# %%
weight_bytes, moving_pj = use("01.4"), use("01.5")
fetched = weight_bytes(1024 * 1024, 16)
print(f"{fetched:,} bytes of fp16 weights (counted)")
print(f"fetched from DRAM: {moving_pj(fetched, costs['dram_read']) / 1e6:.0f} µJ (modelled)")
print(f"the arithmetic:    {fp16 / 1e6:.2f} µJ (modelled)")

# %% [markdown]
# Before you look at the next picture: **what share of the whole energy is arithmetic**, for fp16 weights from
# DRAM at batch 1?

# %%
shares = ("about half", "about a tenth", "less than a hundredth")
predict("01.p2", "Arithmetic's share of the energy:", choices=shares)

# %%
arithmetic, fetching = energy_split("fp16", "DRAM", batch=1)
assert arithmetic / (arithmetic + fetching) < 0.01
reveal("01.p2", "less than a hundredth")

# %% [markdown]
# **Your turn to explore.** Three settings: the format of the weights, where they are fetched from, and how many
# vectors share one fetch (a batch, or the tokens of a prompt read together). *Which of the three hardly matters
# while weights come from DRAM at batch 1, except through the number of bits?* And when does arithmetic become the
# larger part?

# %%
EnergySplit()

# %% [markdown]
# The same without a widget: one vector, weights from DRAM.

# %%
colours = {"arithmetic": style.MULTIPLY, "fetching weights": style.SKY}
formats = ["fp32", "fp16", "int8", "trits, 2 bits", "trits, 1.6 bits"]
splits = {name: energy_split(name, "DRAM", batch=1) for name in formats}
parts = {name: dict(zip(colours, map(round, split), strict=True)) for name, split in splits.items()}
title = "From DRAM, the bill is bits: arithmetic can hardly be seen"
picture(stacked_bars(parts, colours, title, "nJ per vector (modelled, 45 nm)"))

# %% [markdown]
# This is the figure to remember. Ternary weights *do* save energy, eight to ten times of fp16's. But the saving comes
# from the bits that need not be fetched, not from the multiplications that need not be done.
#
# A control: does the picture change if nothing needs to be fetched from afar? The same formats, with 256 vectors
# that share each fetch from a small memory next to the adders.

# %%
near = {name: energy_split(name, "8 KB of SRAM", batch=256) for name in formats}
parts = {
    name: {part: round(size, 1) for part, size in zip(colours, near[name], strict=True)}
    for name in formats
}
assert all(arithmetic > 0.9 * (arithmetic + fetching) for arithmetic, fetching in near.values())
title = "With weights at hand and shared, the bill is arithmetic"
picture(stacked_bars(parts, colours, title, "nJ per vector (modelled, 45 nm)"))

# %% [markdown]
# There, adding instead of multiplying pays in full: from fp16 to trits it is more than twenty times. So both sides of
# the debate can be right. It depends on where the weights are and how often each fetch is used.
# (An 8 KB memory cannot hold a million weights; a real design would move them through it in pieces.)

# %%
assert near["fp16"][0] / near["trits, 2 bits"][0] > 20
print(f"{near['fp16'][0] / near['trits, 2 bits'][0]:.1f} times less arithmetic energy (modelled)")

# %% [markdown]
# ## 4  What limits the speed
#
# Energy is one bill, time is another. In a second a machine can do so many operations, its **peak**, and fetch so
# many bytes, its **bandwidth**. What a computation does with each byte is its **intensity**.
#
# By hand: a matrix-vector product in fp16 does 2 operations for each weight (one multiplication, one addition)
# and fetches 2 bytes for it. Intensity: 1 operation per byte.

# %%
h200 = load("../machine/h200")
peak, bandwidth = h200["bf16_peak"].value, h200["bandwidth"].value
print(f"ridge of an H200: {ridge(peak, bandwidth):.0f} operations per byte (from quoted figures)")

# %% [markdown]
# Below the ridge memory decides, above it arithmetic. Our product lies a factor of two hundred below.
#
# **Exercise 01.6** Somebody wrote the roofline, and there is a bug in it. Find it before you run the check, and mend
# it.

# %% solution="mmf_teach.cost.roofline:attainable"
def attainable(operations_per_byte, peak, bandwidth):
    """The most operations a second: what the peak and the bandwidth allow."""
    return max(peak, operations_per_byte * bandwidth)

# %%
check("01.6", attainable)

# %%
attainable = use("01.6")
points = {}
for batch in (1, 32, 512):
    operations = 2 * 1024 * 1024 * batch
    moved = weight_bytes(1024 * 1024, 16) + 2 * 2 * 1024 * batch      # weights, vectors in and out
    at = intensity(operations, moved)
    points[f"fp16, batch {batch}"] = (at, attainable(at, peak, bandwidth))
operations, moved = 2 * 1024 * 1024, weight_bytes(1024 * 1024, 1.6) + 2 * 1024
at = intensity(operations, moved)
points["1.6-bit trits, batch 1"] = (at, attainable(at, peak, bandwidth))
picture(roofline(peak, bandwidth, points, "Fewer bits move a product to the right, and up"))

# %% [markdown]
# At batch 1 a GPU that could do a quadrillion operations a second can do half a per cent of them: it waits for
# weights. Trits move the point ten times to the right. So does every other way of moving fewer bits, which is why
# 4-bit floats (notebook 03) are the rival to watch.
#
# ## Your own machine
#
# Now measure: how fast does your memory deliver, how fast does your processor multiply, and where do two products
# come out? The dots should lie under the roof. (A small matrix may lie above the slope: it fits in the cache and
# never meets the memory.)

# %% tags=["measured"]
bandwidth_here, points = probe.stream_bandwidth(), {}
for batch in (1, 64):
    at = 2 * 4096 * 4096 * batch / (4 * 4096 * 4096 + 8 * 4096 * batch)
    points[f"fp32 4096 x 4096, batch {batch}"] = (at, probe.matmul_speed(4096, batch))
peak_here = max(probe.matmul_speed(), *(speed for _, speed in points.values()))
print(f"reads {bandwidth_here / 1e9:.1f} GB/s (measured)")
print(f"does {peak_here / 1e9:.0f} billion operations a second (measured)")
picture(roofline(peak_here, bandwidth_here, points, "Your machine (measured)"))

# %% [markdown]
# ## What this leaves out
#
# * The energies are of single operations at 45 nm. Fetching and decoding an *instruction* costs some 70 pJ on the same
#   chip (quoted, not verified), more than any operation here: a general-purpose processor cannot reach these numbers.
# * Wires, clocks and leakage are missing; on real boards the idle power is often the largest part.
# * Newer chips are cheaper in arithmetic by more than in memory, which makes the claim truer with time.
# * Activations, the memory of the model and attention move bytes too. Notebook 14 makes the whole account.

# %%
newer = load("jouppi_2021")
for name in ("fp16_mul", "int32_add", "dram_read"):
    times = costs[name].value / newer[name].value
    print(f"{name:10} {times:4.1f} times less than at 45 nm (quoted, not verified)")

# %% [markdown]
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 02.

# %%
exit_ticket("01")

# %% [markdown]
# In one sentence, for yourself: when does it pay to add instead of multiply?
#
# Next: [02 Three values are enough](02_three_values_are_enough.ipynb), where the multiplication disappears.
