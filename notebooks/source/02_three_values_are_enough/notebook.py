# %% [markdown] part="I Arithmetic" build="the ternary dot product; packing at 2 and 1.6 bits"
# # 02 Three values are enough
#
# **Claim.** With weights of -1, 0 and 1 a dot product adds, skips and subtracts.
#
# Notebook 01 put a price on multiplying and on moving. Here the multiplication disappears, and the weights shrink
# until five of them share a byte. By the end you will have written a ternary dot product, a matrix product without
# a multiplication sign, and two ways to pack trits that give back exactly what went in.
#
# 60 to 90 minutes. It builds on [01 The price of a multiply](01_the_price_of_a_multiply.ipynb).

# %%
from itertools import product

import numpy as np
import torch

from mmf_teach.layers.bit_linear import absmax
from mmf_teach.lesson import check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import PackingByte, TernaryDot, picture, running_sum, stacked_bars, style
from mmf_teach.model.checkpoint import load_model
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.quantity import QuantityTable, load
from mmf_teach.ternary.trits import require_trits

# %% [markdown]
# ## Before you begin
#
# Five questions about the notebooks before this one. Answer from memory; each choice tells you why.

# %%
warm_up("02")

# %% [markdown]
# ## A surprise first
#
# Take a matrix of 1,024 × 1,024 random weights (normally distributed) and be brutal: a weight closer to zero than
# half the mean of |w| becomes 0, any other becomes -1 or 1 by its sign. All else is thrown away.
#
# Multiply the same random inputs by both matrices. **How strongly do the new outputs correlate with the old?**
# 1 would be the same up to a scale, 0 would be nothing in common.

# %%
predict("02.p1", "Correlation of new outputs with old ones:", unit="(0 to 1)")

# %%
rng = np.random.default_rng(0)
weights, inputs = rng.standard_normal((1024, 1024)), rng.standard_normal((1024, 64))

large = np.abs(weights) > np.abs(weights).mean() / 2
three_values = np.sign(weights) * large
shuffled = rng.permuted(three_values, axis=1)          # the same trits, in the wrong places

def correlation(other):
    outputs, others = weights @ inputs, other @ inputs
    return float(np.corrcoef(outputs.ravel(), others.ravel())[0, 1])

assert 0.88 < correlation(three_values) < 0.90 and abs(correlation(shuffled)) < 0.02
reveal("02.p1", round(correlation(three_values), 2), unit="(simulated, random weights)")
print(f"the same trits, shuffled: {abs(correlation(shuffled)):.2f} (simulated)")

# %% [markdown]
# Three values keep most of what a random matrix does. (Most, not all: a network that was trained with floats and is
# cut down like this afterwards loses much more, since the errors of its layers add up. Ternary models are trained
# as such; notebooks 03 and 08.)
#
# **What you will be able to do:** compute a ternary product with additions and subtractions alone; say how many
# bits its sum needs, and make it overflow on purpose; pack trits at 2 and at 1.6 bits and test that nothing is
# lost; read from a trained model's trits what they could save; and keep apart what a number is worth, what it
# takes to store, and what it costs to use.

# %% [markdown]
# ## 1  Add, skip, subtract
#
# Notebook 01 ended its first section with four weights and four inputs. By hand, without multiplying:
#
# | weight | 1 | -1 | 0 | 1 |
# |---|---|---|---|---|
# | input | 5 | 7 | 9 | 11 |
# | what happens | add 5 | subtract 7 | skip | add 11 |
# | sum so far | 5 | -2 | -2 | **9** |
#
# A weight of -1, 0 or 1 is called a **trit**. The inputs are whole numbers of 8 bits, from -128 to 127; we call
# them **codes**. (Where they come from is notebook 03.) The same as two sums:

# %%
row, four_codes = [1, -1, 0, 1], [5, 7, 9, 11]
pairs = list(zip(row, four_codes, strict=True))

added = sum(code for trit, code in pairs if trit == 1)           # add
subtracted = sum(code for trit, code in pairs if trit == -1)     # subtract
assert (added, subtracted) == (16, 7)                            # skip: nobody asks for a zero
added - subtracted

# %% [markdown]
# **Your turn to explore.** Six weights, a button each; a press turns -1 into 0, 0 into +1, and +1 into -1 again.
# *Make the sum 12 with as few operations as you can. Then make it 12 without skipping anything.*
#
# (Below the widget, one setting as a picture.)

# %%
TernaryDot()

# %%
from mmf_teach.lesson.widgets.ternary_dot import INPUTS, running_sums

setting = [1, 0, -1, 1, 0, -1]
title = "Subtracting takes away, skipping stays level"
picture(running_sum(setting, running_sums(setting, INPUTS), {}, title))

# %% [markdown]
# **Exercise 02.1** Write it as a loop. The check hands you whole numbers that can be added and subtracted, and
# refuse to be multiplied.
#
# (Stuck? `hint("02.1")` and `show("02.1")`, from `mmf_teach.lesson`, work as in notebook 01.)

# %% solution="mmf_teach.ternary.trits:ternary_dot"
def ternary_dot(trits, codes):
    todo("start from 0, and go through zip(trits, codes, strict=True)")

# %%
check("02.1", ternary_dot)

# %% [markdown]
# A loop over numbers is slow in Python. NumPy can do the same for a whole matrix with **masks**: `row == 1` is true
# where the row adds, so `codes[:, row == 1]` picks just these inputs, for all rows of codes at once.
#
# **Exercise 02.2** Return the product of each row of codes (a token each) with each row of trits (an output each):
# an array of int32 with a row for each token. Use two masks and sums. No `*`, no `@`.

# %% solution="mmf_teach.reference.masked_product:ternary_matmul"
def ternary_matmul(codes, trits):
    todo("fill in the result a column at a time: one column for each row of trits")

# %%
check("02.2", ternary_matmul)

# %% [markdown]
# Now for the real thing. The shipped model turns letters into vectors of 128 features, its first layer norms them
# and rounds them to codes, and a matrix of 128 × 128 trits meets them. Four ways to the same sums: the loop of 02.1,
# the masks of 02.2, an integer product in torch, and the float product that the model itself uses.

# %%
model, vocabulary = load_model(SHIPPED_MODEL)
layer = model.blocks[0].token_mixer.to_c
letters = torch.from_numpy(vocabulary.encode("To be,"))
with torch.no_grad():
    float_codes, _ = absmax(layer.norm(model.embedding(letters)))
codes, trits = float_codes.numpy().astype(np.int8), layer.trits.numpy()

ternary_dot, ternary_matmul = use("02.1"), use("02.2")
by_loop = [[ternary_dot(row, token) for row in trits.tolist()] for token in codes.tolist()]
sums = ternary_matmul(codes, trits)
by_torch = torch.from_numpy(codes).int() @ layer.trits.int().T
by_floats = float_codes @ layer.trits.float().T
assert sums.tolist() == by_loop == by_torch.tolist() == by_floats.tolist()
print(f"{sums.size:,} sums of {trits.shape[1]} inputs, the same in four ways, bit for bit")
print(f"the largest of them: {np.abs(sums).max():,} (counted)")

# %% [markdown]
# *Bit for bit* is a habit of this course. Whole numbers leave no room for "close enough": if two versions differ in a
# single bit, one of them is wrong.
#
# ## 2  How wide must the sum be?
#
# By hand: one code is -128 at worst, and a trit of -1 turns that into +128. Two such inputs make 256, three make 384.
# So the largest sum is 128 × inputs. A signed number of *b* bits ends at 2ᵇ⁻¹ - 1: at 127 with 8 bits, at 32,767
# with 16.
#
# **Up to how many inputs is a sum in 16 bits safe**, whatever the trits and codes are? Commit a guess. The cell after
# it tells, and tries 16 bits on a real row: of the model's widest matrix, with 352 inputs, it takes the row with the
# fewest zeros and hands it nearly the worst codes there are, 127 under each 1 and -127 under each -1.

# %%
predict("02.p2", "Inputs that a sum of 16 bits can take, come what may:", unit="inputs")

# %%
most = (2**15 - 1) // 128
assert 128 * most <= 32_767 < 128 * (most + 1)
reveal("02.p2", most, unit="inputs (counted)")

down = model.blocks[5].channel_mixer.to_down.trits.numpy()
fullest = down[np.abs(down).sum(axis=1).argmax()]
worst_codes = 127 * fullest.astype(np.int32)
steps = fullest * worst_codes
right, wrapped = np.cumsum(steps), np.cumsum(steps, dtype=np.int16)
assert right[-1] == 33_274 and wrapped[-1] == -32_262
others = {"in 16 bits": (wrapped.tolist(), style.MULTIPLY, "dot")}
title = "Just before the end, 16 bits are too few (simulated)"
picture(running_sum(fullest.tolist(), right.tolist(), others, title))

# %% [markdown]
# The sum should be 33,274 and 16 bits say -32,262. There is no warning and no error: the number wraps round.
#
# Would a test with random inputs have found it? The sums on real text above stayed below 5,000, and random codes give
# sums that are smaller still. The worst case has to be *thought of*; that is what a bound is for.
#
# **Exercise 02.3** Return how many bits the sum of so many int8 codes needs, so that it can never wrap round.

# %% solution="mmf_teach.ternary.accumulator:accumulator_bits"
def accumulator_bits(inputs):
    todo("the largest sum, its bits, and one for the sign")

# %%
check("02.3", accumulator_bits)

# %%
accumulator_bits = use("02.3")
widths = {"our rows": 128, "our widest": 352, "the paper's largest": 2560, "its widest": 6912}
for name, width in widths.items():
    print(f"{name:20} {width:>6,} inputs: {accumulator_bits(width)} bits (counted)")
assert np.abs(sums).max() < 5_000 and np.abs(down).sum(axis=1).max() == 262
assert 127 * 132_000 < 2**24 < 127 * 133_000
print("float32 counts exactly up to 2**24: 132,000 inputs, with codes of at most 127 (counted)")

# %% [markdown]
# That is why everything here is summed in int32, and why the model may use a float32 product and still be exact: as
# long as no sum passes 2²⁴, floats count as integers do, in any order.
#
# ## 3  Storing trits: two bits
#
# An int8 takes eight bits for three values. Two bits are enough for four: **00** for 0, **01** for 1, and **11** for
# -1, which are the last two bits of these numbers as a computer has them anyway. **10** stays unused.
#
# Four trits share a byte, the first in its lowest two bits. By hand, 1, 0, -1, 0 are the codes 1, 0, 3, 0, and
# 1 + 4 · 0 + 16 · 3 + 64 · 0 = 49. Worked out step by step:

# %%
group = [1, 0, -1, 0]                                        # group
two_bits = [trit & 3 for trit in group]                      # code: the last two bits
shifted = [two_bits[place] << 2 * place for place in range(4)]         # shift: 0, 2, 4, 6
byte = sum(shifted)                                          # add up
assert byte == 49
print(f"codes {two_bits}, shifted {shifted}, together {byte} = {byte:08b} in bits")

# %% [markdown]
# **Exercise 02.4** The same for an array of any length. The first two steps are there: what is no trit is refused,
# and `groups` has four trits in each row, the last row filled up with zeros. The other steps are yours. Return uint8.

# %% solution="mmf_teach.ternary.packing:pack_2bit"
def pack_2bit(trits):
    flat = require_trits(trits).ravel()
    groups = np.pad(flat, (0, -len(flat) % 4)).reshape(-1, 4)      # group
    todo("code, shift, add up")

# %%
check("02.4", pack_2bit)

# %% [markdown]
# And back. The bytes alone do not say how many trits there are, since the last byte may be filled up: `count` does.
#
# **Exercise 02.5** Somebody wrote `unpack_2bit`, tried it on three trits and on five, and was content. There is a bug
# in it. Find it before you run the check, and mend it.

# %% solution="mmf_teach.ternary.packing:unpack_2bit"
def unpack_2bit(packed, count):
    """Read `count` trits back. ValueError for the code 10, which no trit has."""
    codes = packed[:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    if (codes == 2).any():
        raise ValueError("the code 10 stands for no trit")
    values = codes.astype(np.int8)
    values[codes == 3] = -1
    filling = -count % 4
    return values.ravel()[:-filling]

# %%
check("02.5", unpack_2bit)

# %% [markdown]
# ## 4  Storing trits: can you do better?
#
# One of four codes is wasted. Before you read on, take five minutes and **invent it yourself: how would you
# store *five* trits in one byte?** At two bits each they would need ten.
#
# All you need is a number from 0 to 255 for each row of five trits, and no two rows with the same number. Here is an
# idea that does not work. Change it until it does.

# %%
places = [1, 2, 4, 8, 16]

def my_number(row):
    return 31 + sum(trit * place for trit, place in zip(row, places, strict=True))

rows = list(product((-1, 0, 1), repeat=5))
numbers = [my_number(row) for row in rows]
print(f"{len(set(numbers))} different numbers for {len(rows)} rows of five trits")
print(f"the smallest is {min(numbers)}, the largest {max(numbers)}; a byte holds 0 to 255")

# %% [markdown]
# There are 3 · 3 · 3 · 3 · 3 = 243 rows and 256 numbers, so there is room. Just.
#
# Any list of the 243 rows would do, but a number in **base 3** needs no list. Make each trit a digit by adding one (so
# -1, 0, 1 become 0, 1, 2), and give the digits place values of 1, 3, 9, 27 and 81. By hand:
#
# | trit | 1 | 0 | -1 | 0 | 0 |
# |---|---|---|---|---|---|
# | digit | 2 | 1 | 0 | 1 | 1 |
# | times | 1 | 3 | 9 | 27 | 81 |
# | makes | 2 | 3 | 0 | 27 | 81 |
#
# Together 113. Five trits in eight bits: 1.6 bits a trit.
#
# **Your turn to explore.** Press the trits, or drag the byte. *Which five trits make the largest byte, and what does
# the byte above it mean?* (Below the widget, four rows as a picture.)

# %%
PackingByte()

# %%
from mmf_teach.lesson.widgets.packing_byte import place_values

some = [[-1, -1, -1, -1, -1], [0, 0, 0, 0, 0], [1, 0, -1, 0, 0], [1, 1, 1, 1, 1]]
names = ["place 1", "place 3", "place 9", "place 27", "place 81"]
parts = {str(five)[1:-1]: dict(zip(names, place_values(five), strict=True)) for five in some}
assert [sum(places.values()) for places in parts.values()] == [0, 121, 113, 242]

shades = [style.GREEN, style.YELLOW, style.PURPLE, style.GREY, style.SKY]
colours = dict(zip(names, shades, strict=True))
title = "Five trits make a byte from 0 to 242"
picture(stacked_bars(parts, colours, title, "value of the byte (counted)"))

# %% [markdown]
# **Exercise 02.6** Write `pack_base3`, five trits to a byte. It has the same steps as 02.4 with other numbers, and
# this time only the first line is there. Mind the last row: it is to be filled up with zero *trits*.

# %% solution="mmf_teach.ternary.packing:pack_base3"
def pack_base3(trits):
    flat = require_trits(trits).ravel()
    todo("group, digit, weigh, add up")

# %%
check("02.6", pack_base3)

# %% [markdown]
# **Exercise 02.7** And back: a digit is what is left of the byte after dividing by its place value and by 3. All lines
# are here, but in the wrong order. Move them, then press *Check*.

# %%
parsons("02.7")

# %% [markdown]
# Two examples that work do not show that packing is right; 02.5 worked on two. A **law** says more: *whatever you
# pack, unpacking gives it back.*
#
# **Exercise 02.8** Write a test of that law. It is handed two functions, `pack(trits)` and `unpack(packed, count)`;
# it returns True if the law holds and False if not. The check tries your test on the right functions and on nine wrong
# ones. Which trits will you try, and how many?

# %% solution="exercises:unpack_undoes_pack"
def unpack_undoes_pack(pack, unpack):
    todo("trits of your choice: pack, unpack, compare")

# %%
check("02.8", unpack_undoes_pack)

# %% [markdown]
# ## 5  The trits of a trained model
#
# The shipped model has 1.2 million trits, at 1.6 bits each. If one of the three values were rare, a cleverer code
# could give it longer numbers and the others shorter ones. **How much smaller could a perfect code make the file**, if
# it knows how often each value occurs, and no more?

# %%
sizes = ("about 1 %", "about 10 %", "about 30 %")
predict("02.p3", "A perfect code would save", choices=sizes)

# %%
layers = [module for module in model.modules() if hasattr(module, "trits")]
all_trits = np.concatenate([layer.trits.numpy().ravel() for layer in layers])
shares = {trit: np.mean(all_trits == trit) for trit in (-1, 0, 1)}
for trit, share in shares.items():
    print(f"{trit:2}: {100 * share:.1f} % of {len(all_trits):,} trits (counted)")

entropy = -sum(share * np.log2(share) for share in shares.values())
saving = 1 - entropy / 1.6
assert round(entropy, 3) == 1.583 and round(np.log2(3), 3) == 1.585 and 0.010 < saving < 0.011
print(f"entropy: {entropy:.3f} bits a trit; 1.6 are stored (counted)")
reveal("02.p3", "about 1 %")

# %% [markdown]
# No code that knows only the shares can take fewer bits than their **entropy**, -Σ *p* log₂ *p*. These three values
# are nearly equally likely, and then it is log₂ 3 = 1.585. So training used nearly all that a trit can say, and five in
# a byte is as good as it gets, to one per cent. Two bits a trit are a quarter more.
#
# ## Why not two values?
#
# If three are enough, why not -1 and 1 alone, at one bit? On the random matrix of the beginning two values come out
# at a correlation of 0.80 against 0.89. But what counts is a trained model. Others trained models with two values, with
# three, and with floats, on the same text. Hover over a badge for the source.

# %%
two_values = correlation(np.sign(weights))
assert 0.79 < two_values < 0.81 and 0.26 < 2 / entropy - 1 < 0.27
print(f"two values, random weights: correlation {two_values:.2f} (simulated)")

quality = load("../quality/binary_and_ternary")
gaps = [quality[f"loss_binary_less_ternary_{size}"].value for size in ("99m", "560m", "1100m")]
assert gaps == [0.189, 0.155, 0.118]
tasks = [quality[f"tasks_{kind}_1100m"].value for kind in ("float", "ternary", "binary")]
assert tasks == [54.9, 51.6, 47.1]
QuantityTable(quality)

# %% [markdown]
# Without a zero a model cannot say *this input does not matter*. Binary models lose 0.19 nat to ternary ones at 99
# million weights, and still 0.12 at 1.1 billion; whether the gap ever closes, three sizes do not say. Nor are three
# values free: floats answer 54.9 % of those tasks' questions, trits 51.6 %, bits 47.1 %. *Enough* means useful at a
# tenth of the bytes.
#
# None of this is new. Ternary Weight Networks (arXiv 1605.04711), Trained Ternary Quantization (1612.01064) and the
# binary XNOR-Net are of 2016. New since 2024 are language models trained so.
#
# ## The picture to remember
#
# One row of the trained matrix meets one letter: the row that answers it most strongly. The **baseline** multiplies
# each input by its weight. The **control** has the same trits, shuffled.

# %%
at = int(np.abs(sums[-1]).argmax())
trained, code = trits[at].tolist(), codes[-1].tolist()
control = np.random.default_rng(0).permutation(trits[at]).tolist()
multiplied = np.cumsum(trits[at].astype(np.int32) * codes[-1]).tolist()
walk = [ternary_dot(trained[:n], code[:n]) for n in range(1, 129)]
astray = [ternary_dot(control[:n], code[:n]) for n in range(1, 129)]
assert walk == multiplied and walk[-1] == sums[-1, at] and abs(astray[-1]) < abs(walk[-1]) / 2

others = {
    "128 multiplications": (multiplied, style.MULTIPLY, "solid"),
    "the same trits, shuffled": (astray, style.GREY, "dash"),
}
title = "Adding, skipping and subtracting ends where multiplying ends"
picture(running_sum(trained, walk, others, title))
for name, row in {"trained": trained, "shuffled": control}.items():
    added, subtracted, skipped = (row.count(trit) for trit in (1, -1, 0))
    print(f"{name:9} {added} additions, {subtracted} subtractions, {skipped} skipped (counted)")

# %% [markdown]
# Two things to read from it. The ternary walk is the dense one, number for number: nothing was approximated. And the
# control costs exactly the same and ends elsewhere: **counts say what a row costs, places say what it knows**.
#
# ## What this leaves out: three accounts
#
# * **Values.** What a weight is: -1, 0 or 1, times one scale for the matrix. Packing never changes it.
# * **Storage.** The bits it takes: 1.6 or 2. A zero takes as many as a one, so skipping saves no bytes.
# * **Cost.** What is done with it. Here it is *counted*, not timed: NumPy's masks and torch's product are no
#   adders, and unpacking base 3 takes divisions of its own. Notebook 04 measures time, 12 gates, 14 energy.
#
# The scales, norms and gates around the products still multiply (00 counted them).

# %%
pack_2bit, unpack_2bit, pack_base3 = use("02.4"), use("02.5"), use("02.6")
unpack_base3, unpack_undoes_pack = use("02.7"), use("02.8")
assert unpack_undoes_pack(pack_2bit, unpack_2bit) and unpack_undoes_pack(pack_base3, unpack_base3)

packed, total = pack_base3(all_trits), len(all_trits)
assert (unpack_base3(packed, total) == all_trits).all()
add, subtract = (all_trits == 1).sum(), (all_trits == -1).sum()
print(f"values:  {total:,} trits, the same after packing and unpacking")
print(f"storage: {len(packed):,} bytes, {len(pack_2bit(all_trits)):,} at 2 bits a trit (counted)")
print(f"cost:    {add:,} additions, {subtract:,} subtractions a letter (counted)")
print(f"dense:   {total:,} multiplications, {total:,} additions a letter (counted)")
print(f"saved:   every multiplication, {100 * shares[0]:.0f} % of the additions (counted)")

# %% [markdown]
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 03.

# %%
exit_ticket("02")

# %% [markdown]
# In one sentence, for yourself: what do three values save, and in which of the three accounts?
#
# Next: [03 From floats to trits](03_from_floats_to_trits.ipynb), where the trits come from.
