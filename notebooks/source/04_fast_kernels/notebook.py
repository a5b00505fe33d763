# %% [markdown] part="I Arithmetic" build="a packed matrix-vector product; fused BitLinear"
# # 04 Fast kernels
#
# **Claim.** A ternary product without multiplication runs as fast as memory can feed it.
#
# Notebook 02 counted: no multiplications, a twentieth of the bytes. Counting is not timing. Here you make the product
# fast, in two ways that look nothing like adding and subtracting, measure each rung of the ladder on your own machine,
# and see where multiplication-free is the fastest and where it is not.
#
# 60 to 90 minutes. It builds on [03 From floats to trits](03_from_floats_to_trits.ipynb). The first run compiles; that
# takes half a minute, once.

# %%
import numpy as np

from mmf_teach.cost.traffic import weight_bytes
from mmf_teach.engine import ternary_matmul
from mmf_teach.engine.bench.ladder import climb
from mmf_teach.lesson import bar, check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import BitPlanes, ladder, picture
from mmf_teach.model.integer import integer_model
from mmf_teach.reference.popcount_product import PLACES, trit_planes

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("04")

# %% [markdown]
# ## A surprise first
#
# One token meets a matrix of 2,048 × 2,048, and the weights come fresh from memory. torch's product of 32-bit floats
# is the work of many engineers. The ternary product that you will take apart below is 60 lines of Python, compiled. It
# reads 1.78 bits a weight instead of 32.
#
# **How many times as fast is it?** (On one core of your machine, right now.)

# %%
predict("04.p1", "The ternary product against torch's floats, one core:", unit="times as fast")

# %% tags=["measured"]
rungs = list(bar(climb(2048, 2048), "climbing", total=3 + len(ternary_matmul.KERNELS)))
by_name = {rung.name: rung for rung in rungs}
best = by_name[ternary_matmul.best().name]
reveal("04.p1", round(by_name["torch fp32"].us / best.us, 1), unit="times as fast (measured here)")
for rung in rungs:
    print(f"{rung.name:20} {rung.us:9,.0f} us, {rung.bits:5.2f} bits a weight (measured here)")

# %% [markdown]
# The prototype of this course took a thirtieth of the floats' time, and the bytes are an eighteenth. So it is not
# only that there is less to read: torch does not even use all of what memory delivers when there is a single token.
#
# **What you will be able to do:** say how fast a product can be at best, before you write it; compute a dot product
# by counting bits and by looking sums up; prove that a short sum does not overflow; write a test that catches a wrong
# kernel; and read from a measurement whether memory or arithmetic is in the way.

# %% [markdown]
# ## 1  The floor
#
# By hand: 2,048 · 2,048 weights at 2 bits are 1,048,576 bytes. Memory that delivers 20 GB/s brings 20,000 bytes in a
# microsecond. 1,048,576 / 20,000 = 52 microseconds. However clever the code, it cannot be done before its weights
# are there.
#
# **Exercise 04.1** Return that time for any number of weights, bits and gigabytes (10⁹ bytes) a second. `weight_bytes`
# is the function of notebook 01.

# %% solution="mmf_teach.cost.traffic:reading_us"
def reading_us(weights, bits, gigabytes_per_second):
    todo("bytes, divided by what arrives in a microsecond")

# %%
check("04.1", reading_us)

# %%
reading_us = use("04.1")
for bits in (32, 16, 8, 2, 16 / 9, 1.6):
    size, floor = weight_bytes(2048 * 2048, bits), reading_us(2048 * 2048, bits, 20.0)
    print(f"{bits:5.2f} bits: {size:>12,} bytes, {floor:6.1f} us at 20 GB/s (counted)")

# %% [markdown]
# This is the whole promise of few bits when one token at a time is written, and it has nothing to do with multiplying.
# The ternary part is a different question: can the arithmetic keep up with such small weights? A core reads perhaps
# 20 billion bytes a second. At 1.78 bits that is *90 billion weights*. It runs at 3 billion cycles a second. So 30
# weights must be dealt with in every cycle, and an `if` for each is out of the question.

# %% [markdown]
# ## 2  Counting bits
#
# The first way looks at one *bit* of 64 inputs at a time. Codes are int8, and a computer keeps them in two's
# complement: eight bits worth 1, 2, 4, 8, 16, 32, 64 and **-128**. So 5 is 00000101, and -3 is 11111101: -128 + 64 +
# 32 + 16 + 8 + 4 + 1.
#
# A sum of inputs is then eight counts: how many have bit 0, how many have bit 1, ... By hand, 5 + (-3) + 12:
#
# | | -128 | 64 | 32 | 16 | 8 | 4 | 2 | 1 |
# |---|---|---|---|---|---|---|---|---|
# | 5 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 1 |
# | -3 | 1 | 1 | 1 | 1 | 1 | 1 | 0 | 1 |
# | 12 | 0 | 0 | 0 | 0 | 1 | 1 | 0 | 0 |
# | **counted** | 1 | 1 | 1 | 1 | 2 | 3 | 0 | 2 |
#
# -128 + 64 + 32 + 16 + 16 + 12 + 2 = 14. To count the ones of 64 bits a processor has *one* instruction.

# %%
inputs = [5, -3, 12]
counts = [sum(code >> bit & 1 for code in inputs) for bit in range(8)]
assert counts == [2, 0, 3, 2, 1, 1, 1, 1] and sum(map(int.__mul__, counts, PLACES)) == 14
print(f"counted from the lowest bit up: {counts}")

# %% [markdown]
# **Exercise 04.2** A *plane* is one bit of all codes, kept in a whole number: bit k of the plane belongs to code k.
# Return the eight planes, the lowest bit first.

# %% solution="mmf_teach.reference.popcount_product:code_planes"
def code_planes(codes):
    planes = []
    for bit in range(8):
        todo("one whole number, put together from this bit of every code")
    return planes

# %%
check("04.2", code_planes)

# %% [markdown]
# And the weights? A 0 takes its input's bits away: an *and*. A -1 must subtract. Turn all eight bits of *x* round and
# you have -*x* - 1 (try it: 5 becomes 11111010, which is -6). So turn the bits round under a -1, and add one for each
# -1 at the end.
#
# **Explore.** Four weights, a button each; a press turns -1 into 0, 0 into +1, and +1 into -1. *What happens to the bits
# of 127 under a -1? Who puts the missing one back?* (Below the widget, one setting as numbers.)

# %%
BitPlanes()

# %%
from mmf_teach.lesson.widgets.bit_planes import CODES, counted_bits

setting = [1, -1, 0, -1]
for code, trit, bits in zip(CODES, setting, counted_bits(setting, CODES), strict=True):
    print(f"{trit:2} times {code:4}: counted bits {''.join(map(str, bits))}")

# %% [markdown]
# Two planes hold the trits: `nonzero` has a 1 where the weight is not 0, `negative` where it is -1. The whole product is
#
# $$\sum_k w_k x_k = |N| + \sum_{b=0}^{7} c_b \cdot \mathrm{count}\big((x_b \oplus \mathrm{negative}) \wedge
# \mathrm{nonzero}\big)$$
#
# with |N| the number of -1s and c the places 1, 2, ..., 64, -128. In Python ⊕ is `^`, ∧ is `&`, and a whole number
# `n` has `n.bit_count()`. Times a power of two is a shift: nothing is multiplied.
#
# **Exercise 04.3** Write it.

# %% solution="mmf_teach.reference.popcount_product:dot_by_counting"
def dot_by_counting(planes, nonzero, negative):
    todo("begin with the -1s, then a count for each plane")

# %%
check("04.3", dot_by_counting)

# %%
code_planes, dot_by_counting = use("04.2"), use("04.3")
dice = np.random.default_rng(1)
row, codes = dice.integers(-1, 2, 1000).tolist(), dice.integers(-128, 128, 1000).tolist()
by_counting = dot_by_counting(code_planes(codes), *trit_planes(row))
assert by_counting == sum(trit * code for trit, code in zip(row, codes, strict=True))
print(f"1,000 inputs in 8 counts: {by_counting:,}, as by adding and subtracting")

# %% [markdown]
# Compiled, with rows of 64-bit words, this is ten lines (`mmf_teach/engine/ternary_matmul/popcount.py`), and it runs
# on every processor. It is the way this course takes where there is nothing better.
#
# ## 3  Looking sums up
#
# The second way makes use of something else: *all rows of the matrix meet the same inputs*. Three inputs a, b, c have
# only 27 different sums ±a ±b ±c. Make these once, and 2,048 rows need only look up theirs: three weights for the price
# of one addition. Three trits are a number from 0 to 26, as in notebook 02: digits 0, 1, 2, the first the lowest.
#
# **Exercise 04.4** Return the list of the 27 sums. Sum 0 belongs to the trits -1, -1, -1; sum 1 to 0, -1, -1.

# %% solution="mmf_teach.reference.lookup_table_product:table_of_three"
def table_of_three(a, b, c):
    todo("27 sums, those of `a` changing fastest")

# %%
check("04.4", table_of_three)

# %% [markdown]
# **Exercise 04.5** The product for many rows at once; each row is a list of such numbers. All lines are here, in the
# wrong order. Move them, then press *Check*.

# %%
parsons("04.5")

# %% [markdown]
# Why three, and not one or nine? A table of three has 27 sums of 16 bits: with five spare ones they fill **one vector
# register** of 512 bits, and a processor with AVX-512 has an instruction that looks up 32 of them at once. Nine trits,
# three such numbers, fit in a 16-bit word: 16 / 9 = 1.78 bits a weight, and 8 instructions deal with 288 weights.
#
# The sums must then be kept in 16 bits, and 16 bits overflow, as you saw in notebook 02. They are poured into 32 bits
# now and then; but how often?
#
# **Exercise 04.6** Somebody computed how many table entries a signed sum can take. With 16 bits and entries of three
# inputs they got 170, and the kernel failed on one text in a thousand. Find the bug before you run the check.

# %% solution="mmf_teach.reference.lookup_table_product:longest_chunk"
def longest_chunk(inputs_in_entry, bits):
    """Entries that a signed sum of so many bits can take; each is a sum of so many int8 codes."""
    largest_entry = 128 * inputs_in_entry
    largest_sum = 2**bits - 1
    return largest_sum // largest_entry

# %%
check("04.6", longest_chunk)

# %%
longest_chunk = use("04.6")
assert longest_chunk(3, 16) == 85 and 3 * 28 <= 85 < 3 * 29
print(f"{longest_chunk(3, 16)} entries: the library pours after 28 words, which are 84")

# %% [markdown]
# ## 4  A test that you would trust
#
# Fast code is easy to get wrong in ways that seldom show. bitnet.cpp once had a kernel with an *empty body* on machines
# without AVX2: it ran, and the model wrote nonsense.
#
# **Exercise 04.7** Write a test of such a kernel. It is handed `product(codes, trits)`, with int8 arrays of [tokens,
# inputs] and [outputs, inputs], and returns True if the result is right. The check tries your test on a right product
# and on eight wrong ones. Which sizes and which values would you be afraid of?

# %% solution="exercises:agrees_with_a_loop"
def agrees_with_a_loop(product):
    todo("sizes and codes of your choice; compare with sums that you trust")

# %%
check("04.7", agrees_with_a_loop)

# %% [markdown]
# Now turn your test on every way of the library that your machine can run.

# %%
agrees_with_a_loop = use("04.7")

def as_product(way):
    return lambda codes, trits: way.product(codes, way.pack(trits))

assert all(agrees_with_a_loop(as_product(way)) for way in ternary_matmul.KERNELS)
assert not agrees_with_a_loop(lambda codes, trits: np.zeros((len(codes), len(trits)), np.int32))
print("every way of this machine passes; a product that does nothing does not")

# %% [markdown]
# ## The ladder
#
# The measurement of the beginning, as a picture: for each way how many weights it deals with in a second, and a
# mark where *reading its weights and doing nothing* would be. Left of its mark, the arithmetic is in the way; at
# the mark, memory. The **baseline** is torch; the **control** is the naive loop, which has fewer bytes to read than
# torch's floats and is slow all the same.

# %% tags=["measured"]
speeds = {
    r.name: (r.weights_per_us / 1000, r.roof_weights_per_us / 1000, r.multiplies) for r in rungs
}
unit = "billion weights a second, one core (measured here)"
title = "From the naive loop towards the roof"
picture(ladder(speeds, title, unit))

# %% tags=["measured"]
for rung in rungs:
    share = 100 * rung.roof_us / rung.us
    print(f"{rung.name:20} {share:6.2f} % of the speed of reading alone (measured here)")

# %% [markdown]
# This is the roofline of notebook 01, a roof for each rung: fewer bits lift the roof, better code lifts the bar. Ternary
# weights do the first for free, and leave the second to you.
#
# ## Where it is not the fastest
#
# With one token the weights are read for a single use. With 512 at once, a prompt say, each weight is used 512 times and
# memory no longer matters. Then torch's int8 product has the better hand: its multiply-add instructions deal with 64
# products at once, and a look-up cannot do more than 32 threes. **Guess who is ahead at 512 tokens.**

# %%
choices = ("the tables by far", "about even", "torch's int8 by far")
predict("04.p2", "512 tokens at once:", choices=choices)

# %% tags=["measured"]
from mmf_teach.engine.bench.ladder import many_tokens

many_us = many_tokens(1024, 1024, 512)
ratio = many_us["torch int8 x int8"] / many_us[best.name]
told = "the tables by far" if ratio > 1.5 else "about even"
reveal("04.p2", told if ratio > 2 / 3 else "torch's int8 by far")
for name, us in many_us.items():
    print(f"{name:20} {us:9,.0f} us for 512 tokens (measured here)")

# %% [markdown]
# On the machine of the prototypes it was about even, with the multiplier 3 to 20 % ahead. On a processor with AMX, units
# that multiply 16 tokens by 16 rows at once, torch took a fifth of the tables' time. So where there are such units this
# course multiplies as well, from four tokens on: the *same* packed words, unpacked in the innermost cache (`tiles.py`),
# then took 17 % less time than torch's bytes. A processor has multipliers anyway, and leaving them idle saves nothing.
# What a *machine without them* could save is the subject of Part III.
#
# ## The whole model in whole numbers
#
# Between the products of a layer stand a norm, gates and a memory. Written in whole numbers with an agreed binary point
# (`ternary/fixed_point.py`), the entire model becomes one compiled function: tokens in, scores out, no float
# anywhere. The naive version of it is 100 lines of NumPy, and they agree to the last bit.

# %%
from mmf_teach.engine.runtime import Engine
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.generate import generate
from mmf_teach.paths import SHIPPED_MODEL

model, letters = load_model(SHIPPED_MODEL)
naive_model = integer_model(model)
engine = Engine(naive_model)
state, fast_state = naive_model.initial_state(1), engine.initial_state(1)
for letter in letters.encode("To be, or not to be"):
    scores, state = naive_model.step(np.array([letter]), state)
    fast_scores, fast_state = engine.step(np.array([letter]), fast_state)
    assert (scores == fast_scores).all() and (state == fast_state).all()
floats, _ = model.read(letters.encode("To be, or not to be")[None])
assert np.abs(floats - scores / 4096).max() < 0.2
print("scores and memories agree bit for bit; the float model's scores are within 0.2")

# %% [markdown]
# How fast? The float model wrote some 200 letters a second in notebook 00. **How many does the engine read in a
# second?**

# %%
predict("04.p3", "Letters a second, the whole model in whole numbers, one core:", unit="letters/s")

# %% tags=["measured"]
import time

text = letters.encode("To be, or not to be, that is the question:\n" * 20)
engine.read(text[None, :64])
began = time.perf_counter()
state = engine.initial_state(1)
for at in range(len(text)):
    _, state = engine.step(text[at:at + 1], state)
one_by_one = len(text) / (time.perf_counter() - began)
began = time.perf_counter()
engine.read(text[None])
at_once = len(text) / (time.perf_counter() - began)
reveal("04.p3", round(one_by_one), unit="letters/s (measured here)")
print(f"one by one {one_by_one:,.0f}, many at once {at_once:,.0f} letters/s (measured here)")

# %%
prompt = letters.encode("ROMEO:")
print("ROMEO:" + letters.decode(list(generate(engine, prompt, 120, seed=1))))

# %% [markdown]
# ## What this leaves out
#
# * The tables need AVX-512. On other processors the bit planes are used; a table of 16 for AVX2 or NEON would do better,
#   and is not here. On ARM nothing of this was measured.
# * Two cores share one memory: from memory the second core helps little, from the cache it doubles the speed.
# * Not multiplying is not the same as not having multipliers. The chip has them, and pays for their area.
# * Peers measured for this course on one machine: bitnet.cpp's I2_S took 2.5 times as long as the tables from the cache,
#   ggml's TQ2_0 3.5 times, and from memory with two cores all good ones were level with the bus.
# * Whether the speed lasts for large models depends on memory alone: `mmf bench engine` measures a 370M shape.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready for Part II.

# %%
exit_ticket("04")

# %% [markdown]
# In one sentence, for yourself: which part of the speed comes from few bits, and which from not multiplying?
#
# Next: [05 Memory without attention](05_memory_without_attention.ipynb).
