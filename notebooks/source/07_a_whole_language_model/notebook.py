# %% [markdown] part="II Model" build="the model; generation with carried state"
# # 07 A whole language model
#
# **Claim.** Every operation of a forward pass can be counted, and some still multiply.
#
# All parts are there: trits and codes (03), a memory (05), a gated unit (06). Here you put them together, load
# the weights that come with the course into *your* model, let it write, and audit it: every addition, every
# division, every multiplication that is left, and proof that no matrices are multiplied.
#
# 60 to 90 minutes. It builds on [06 Mixing channels](06_mixing_channels.ipynb).

# %%
import numpy as np

from mmf_teach.cost import closed_form
from mmf_teach.cost.sizes import NAMED, sizes
from mmf_teach.lesson import bar, check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import count_bars, picture, stacked_bars, style
from mmf_teach.model.checkpoint import load_model
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.reference.block import block_step
from mmf_teach.reference.glu import glu
from mmf_teach.reference.mlgru import mlgru_step

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("07")

# %% [markdown]
# ## A surprise first
#
# The authors' model of 370 million weights has 24 blocks, and all its maps are ternary: 341 million trits are
# added, subtracted or skipped for each token. Norms, scales and gates multiply 1.56 million times. Take
# multiplications and trits together: 0.46 % of them multiply.
#
# Now keep one map in ordinary floats, the *last* one, which turns 1,024 features into 32,000 scores. Most ternary
# models do. **What percentage multiplies now?**

# %%
predict("07.p1", "Multiplications, of these and trits together, head in floats:", unit="%")

# %%
large = sizes("370M", "matmul_free_released")
plain, floated = closed_form.operations(large), closed_form.with_float_head(large)
def percent(each):
    return 100 * each["multiply"] / (each["multiply"] + each["ternary"])
assert round(percent(plain), 2) == 0.46 and 9.9 < percent(floated) < 10.1
reveal("07.p1", round(percent(floated), 1), unit="% (counted)")

# %% [markdown]
# One map of 145 brings back twenty times as many multiplications as all others left. Whoever says "MatMul-free" has
# to say what is counted.
#
# **What you will be able to do:** assemble a language model and run it with a carried state; say what the authors'
# code does differently from their paper, and what each difference is worth; test that a model carries its memory;
# derive, before anything runs, how many multiplications it will do; and read an audit, yours or somebody else's.

# %% [markdown]
# ## 1  From parts to a model
#
# By hand, a model with two blocks, whose stream is a single number. Its embedding has the rows 1, -2 and 0.5. Block
# A adds its memory to the stream and then remembers the sum of what it read. Block B doubles the stream.
#
# Token 1 comes in, A remembers 10:
#
# | | stream | memory of A |
# |---|---|---|
# | row 1 of the embedding | -2 | 10 |
# | after A | -2 + 10 = 8 | 10 - 2 = 8 |
# | after B | 16 | 8 |
#
# The head makes scores of 16, and 8 goes on to the next token. That is all that a recurrent language model does.
#
# **Exercise 07.1** Write it for any number of blocks. `block(x, h)` returns what flows on and the block's new memory;
# `state` has a memory for each block. Return the scores and the new state.

# %% solution="mmf_teach.reference.language_model:read_token"
def read_token(token, state, embedding, blocks, head):
    todo("a row of the embedding, through the blocks one after the other; then the head")

# %%
check("07.1", read_token)

# %% [markdown]
# Now the real parts. The file holds trits, five in a byte, a scale for each map, and some biases. `StoredMap` is your
# `bit_linear` of 03 around one of the fast products of 04; `mlgru_step` is from 05, `glu` and `block_step` from 06.

# %%
from mmf_teach.engine.stored_map import StoredMap
from safetensors.numpy import load_file

stored = load_file(SHIPPED_MODEL / "weights.safetensors")
d, l, v, n = 128, 352, 65, 6              # width, inner width, letters, blocks

def block_of(number):
    def stored_map(name, width_in, width_out):
        return StoredMap.of(stored, f"blocks.{number}.{name}", width_in, width_out)
    mixer = [stored_map(f"token_mixer.to_{name}", d, d) for name in "fcgo"]
    wide = [stored_map(f"channel_mixer.to_{name}", d, l) for name in ("gate", "up")]
    down = stored_map("channel_mixer.to_down", l, d)
    return lambda x, h: block_step(
        x, h, lambda x, h: mlgru_step(x, h, *mixer), lambda x: glu(x, *wide, down))

embedding = stored["embedding.weight"].astype(np.float32)
blocks, head = [block_of(number) for number in range(n)], StoredMap.of(stored, "head", d, v)

# %%
read_token = use("07.1")
def step(token, state):
    return read_token(token, state, embedding, blocks, head)

model, letters = load_model(SHIPPED_MODEL)
nothing = [np.zeros(d, np.float32)] * n
state, theirs = nothing, None
for letter in letters.encode("ROMEO:"):
    scores, state = step(letter, state)
    library, theirs = model.read(np.array([[letter]]), theirs)
assert np.allclose(scores, library[0], atol=2e-2)
print("after 'ROMEO:' your model thinks of", repr(letters.symbols[int(scores.argmax())]))
print("its 65 scores are the library's:", np.allclose(scores, library[0], atol=2e-2))

# %% [markdown]
# Is it as good? The measure is the mean **surprise** at each next letter. Scores are logarithms of odds: a letter with
# score 2 is e² times as likely as one with score 0. By hand, scores 2, 0 and -1: odds 7.39, 1 and 0.37, together
# 8.76. The first letter has a share of 7.39 / 8.76 = 0.84, and -ln 0.84 = 0.17 nat: little surprise. The last has
# 0.042: 3.17 nat.
#
# **Exercise 07.2** Return the surprise. Scores may be as large as 1,000, and `np.exp(1000)` is infinite.

# %% solution="mmf_teach.reference.language_model:surprise"
def surprise(scores, token):
    todo("log of the sum of odds, minus the token's score")

# %%
check("07.2", surprise)

# %% [markdown]
# Forty pieces of Shakespeare that the model never saw, 64 letters each, side by side. Every piece begins with nothing
# remembered. **Will your classes and the library's model have the same loss?**

# %%
surprise = use("07.2")

# %%
from mmf_teach.training.validation_loss import loss_nats

text = letters.encode((DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8"))[: 40 * 64 + 1]
pieces, following = text[:-1].reshape(40, 64), text[1:].reshape(40, 64)
state, total = [np.zeros((40, d), np.float32)] * n, 0.0
for at in bar(range(64), "reading"):
    scores, state = step(pieces[:, at], state)
    total += sum(map(surprise, scores, following[:, at]))

# %%
yours, library_loss = total / pieces.size, loss_nats(model, text, window=64)
assert abs(yours - library_loss) < 2e-3
print(f"{yours:.2f} nat per letter with your model (measured)")
print(f"{library_loss:.2f} with the library's (measured)")

# %% [markdown]
# ## 2  What the code does that the paper does not say
#
# You built the paper's form. The authors' released code differs from it:
#
# | | paper | released code |
# |---|---|---|
# | forget gate | f = σ(x W + b) | f = λ + (1 - λ) σ(x W), with λ learnt for each block |
# | output gate | σ(g) ⊙ h | norm(g) ⊙ silu(h) |
# | biases | yes | none |
# | norms | in every BitLinear | and before each mixer, all with a gain |
# | gate and up | two maps | one map, so one scale |
#
# λ is the odd one. Each block has d raw numbers. A softmax over the *blocks* turns them into shares, which are added
# up, so that higher blocks must remember longer. By hand, four blocks, all raw numbers 0: shares 1/4 each, sums 0.25,
# 0.5, 0.75, 1.

# %% [markdown]
# **Exercise 07.3** This function returns those sums. It runs, it trains, and the last block learns nothing at all. What
# does λ = 1 do to f, and what to the memory? Find the bug before you run the check.

# %% solution="mmf_teach.reference.mlgru_released:lower_bounds"
def lower_bounds(raw):
    """What each block must keep at least: a row for each block, a column for each feature."""
    share = np.exp(raw - raw.max(axis=0))
    share /= share.sum(axis=0)
    return np.cumsum(share, axis=0)

# %%
check("07.3", lower_bounds)

# %%
lower_bounds = use("07.3")
print("four blocks:", lower_bounds(np.zeros((4, 1))).ravel())

# %% [markdown]
# What is each difference worth? Take the paper's form and change one thing; then change all. Two blocks of width 64, the
# made-up language of notebook 05, 200 steps, the better of two learning rates, two seeds
# (`python -m mmf_teach.tools.comparisons paper_to_released` trains them all in some minutes on one core). **Which single change
# costs most?**

# %%
from mmf_teach.training.paper_to_released_runs import PAIR, PAPER, best

by_variant = best()
choices = tuple(list(by_variant)[1:-2])
predict("07.p2", "The single change that costs most:", choices=choices)

# %%
means = {name: float(np.mean(losses)) for name, losses in by_variant.items()}
worst = max(choices, key=means.get)
reveal("07.p2", worst)
for name, (low, high) in by_variant.items():
    print(f"{name:28} {low:.3f} and {high:.3f} nat per character (measured, 2 seeds)")
seeds = max(high - low for low, high in by_variant.values())
lost, mended = means[worst] - means[PAPER], means[worst] - means[PAIR]
assert worst == "no biases" and lost > 4 * seeds and mended > 0.7 * lost
print(f"two seeds of one model differ by up to {seeds:.3f}")

# %% [markdown]
# Without biases the forget gates of a new model all stand at σ(0) = 1/2: half is gone after every letter. In *our* paper's
# form the biases begin between 0 and 4, so some features remember long. The paper does not say how its biases begin.
#
# λ mends the same thing. The row "no biases, but a lower bound" has some three quarters of it back: what the authors took
# with one hand they gave back with the other. Of the rest, no single change is worth more than another seed.

# %% [markdown]
# ## 3  Writing
#
# To write, choose a letter by its score, feed it back, and carry the state. Nothing is read twice: what the model knows
# of the text is 6 · 128 numbers, after ten letters or ten thousand.
#
# **Exercise 07.4** Always the likeliest letter. All lines are here, in the wrong order. Move them, then press *Check*.

# %%
parsons("07.4")

# %%
write_greedily = use("07.4")
state = nothing
for letter in letters.encode("ROMEO"):
    _, state = step(letter, state)
colon = int(letters.encode(":")[0])
written = write_greedily(step, colon, state, 60)
print("ROMEO:" + letters.decode(written))

# %% [markdown]
# The likeliest letter, always, soon goes round in circles; `generate` draws letters by their odds instead.
#
# A state that is lost, mixed up or used up gives no error, only a worse text. So it wants a test. The law: *read in two
# pieces, with the state handed on, a text ends as if it had been read at once.*
#
# **Exercise 07.5** Write that test. You are handed `read(text, state)`: a list of numbers and a state, or None for a
# beginning. It returns scores, which are a list, and the new state, a number or a list. The check tries your test on a
# right reader and on eight wrong ones.

# %% solution="exercises:carries_its_state"
def carries_its_state(read):
    todo("at once, and in two pieces: the same scores, the same state")

# %%
check("07.5", carries_its_state)

# %% [markdown]
# Now your test on your model: the reader you built in this notebook.

# %%
carries_its_state = use("07.5")

def read(text, state):
    state = nothing if state is None else state
    for token in text:
        scores, state = step(token, state)
    return scores, state

def forgets(text, state):
    return read(text, None)

print("your model carries its state:", carries_its_state(read))
print("one that forgets it is found out:", not carries_its_state(forgets))

# %% [markdown]
# ## 4  The audit
#
# Count first, run later. A BitLinear from d to e features, for one token:
#
# | | multiplications |
# |---|---|
# | norm: x · x for the mean square, then x · (1/rms) | 2 d |
# | codes: x · (127 / largest), rounded | d |
# | 127 / largest, which a computer makes as 1/largest · 127 | 1 |
# | trits | **0** |
# | s_x · s_w, once a token | 1 |
# | each sum times that | e |
#
# **Exercise 07.6** As a function of the widths.

# %% solution="mmf_teach.cost.multiplications_left:bit_linear_multiplications"
def bit_linear_multiplications(width_in, width_out):
    todo("add up the table")

# %%
check("07.6", bit_linear_multiplications)

# %% [markdown]
# The rest of a block multiplies number by number. Memory: silu(c) is c · σ(c), then f ⊙ h and (1 - f) ⊙ c, then g ⊙ h.
# Gated unit, l features wide: silu(gate), and that times up. (σ itself takes an exponential, an addition and a division.)
#
# **Exercise 07.7** All multiplications for one token, whole model: maps f, c, g, o of d to d; gate and up of d to l; down
# of l to d; all that in each of n blocks; and the head, of d to v. Use the function that you just wrote.

# %% solution="mmf_teach.cost.multiplications_left:multiplications_left"
def multiplications_left(d, l, n, v):
    todo("n blocks of maps, memory and gated unit, and the head")

# %%
bit_linear_multiplications = use("07.6")
check("07.7", multiplications_left)

# %% [markdown]
# Now run it, watched. Three nets hang below one another: torch reports each operation, and one that nobody has
# counted stops the audit; the ternary kernel is counted by its trits; and a tensor handed to NumPy refuses everything but
# products of matrices, which are counted as such. **How many products of matrices will a letter call for?**

# %%
predict("07.p3", "Products of matrices called for one letter:", unit="calls")

# %%
from mmf_teach.engine.operation_counts import audit

found = audit(model, tokens=1)
reveal("07.p3", found.matmul_calls, unit="calls (counted)")
for kind, count in sorted(found.operations.items(), key=lambda pair: -pair[1]):
    print(f"{kind.replace('_', ' '):18} {count:>9,} a letter (counted)")

# %% [markdown]
# Three ways to the same number: your formula, the cost sheet made from sizes, and the watched run.

# %%
from mmf_teach.cost.operation_counter.audit import TERNARY, fresh

multiplications_left = use("07.7")
by_formula = multiplications_left(d, l, n, v)
by_sheet = closed_form.operations(model.config)
assert by_formula == by_sheet["multiply"] == found.operations["multiply"]
trits = sum(found.operations[kind] for kind in TERNARY)
others = {kind: count for kind, count in found.operations.items() if kind not in TERNARY}
print(f"{by_formula:,} multiplications, three times over")
print("all operations of sheet and run agree:", {**others, "ternary": trits} == dict(by_sheet))

# %% [markdown]
# What are they there for?

# %%
reasons = found.multiplications()
shades = [style.BLUE, style.SKY, style.GREEN, style.ORANGE, style.PURPLE]
assert sum(reasons.values()) == by_formula and next(iter(reasons)) == "norms"
title = "Norms multiply most: every map has one of its own"
colours = dict(zip(reasons, shades, strict=True))
picture(count_bars(reasons, colours, title, "multiplications a letter (counted)"))

# %% [markdown]
# ## The figure to remember
#
# The same count for four models of this size. **Baseline**: Transformer++, floats and attention. **Control**: the same
# ternary model *while it learns*. The authors' code, and ours, then holds trits as floats and hands them to a dense
# product: MatMul-free in meaning, not in execution.

# %%
config = model.config
runs = {
    "MatMul-free, packed trits": found,
    "the same, head in floats": audit(fresh(config, "inference", float_head=True), 1),
    "control: dense, as it learns": audit(fresh(config, "training"), 1, "training"),
    "Transformer++": audit(fresh(sizes("shipped", "transformer"), "inference"), 1),
}
parts = {}
for name, run in runs.items():
    products = run.multiplications().get("products of matrices", 0)
    rest = run.operations["multiply"] - products
    parts[name] = {"one by one": rest, "in products of matrices": products}
shades = {"one by one": style.BLUE, "in products of matrices": style.MULTIPLY}
title = "Packed trits leave 3 % of the multiplications; held as floats, all of them"
picture(stacked_bars(parts, shades, title, "multiplications a letter (counted)"))

# %%
for name, run in runs.items():
    print(f"{name:30} {run.matmul_calls:>3} products of matrices (counted)")
assert [run.matmul_calls for run in runs.values()][:3] == [0, 1, 43]

# %% [markdown]
# So the claim holds for the model that runs, and fails for the model that learns. Both are the same mathematics.
#
# The formulas need no run, so they go where no laptop does. In per cent of multiplications and trits together:

# %%
for name in NAMED:
    config = sizes(name, "matmul_free_released")
    plain, floated = closed_form.operations(config), closed_form.with_float_head(config)
    print(
        f"{name:>5}: {plain['ternary'] / 1e6:8,.0f} million trits, {plain['multiply'] / 1e6:5.2f} "
        f"million multiplications, {percent(plain):.2f} %; head floats {percent(floated):4.1f} %")

# %% [markdown]
# Trits grow with the square of the width, multiplications with the width. That is the point of the architecture.
#
# ## And what does it save?
#
# Multiplications are not energy. **Explore.** A model of your choice beside its twin that multiplies matrices, energy by
# cause. *Find three settings in which the MatMul-free model does not win, and say which cause decides in each.*

# %%
from mmf_teach.lesson import Compare

Compare()

# %% [markdown]
# Two settings as a figure: the one it opens with (2.7 billion weights, 2,048 tokens of context, one sequence, DDR4), and
# the one behind its first button. There the twin has four-bit weights, heads that share keys, and is only as large as
# its loss needs: by the published losses a MatMul-free model of 2.7 billion weights is matched by a Transformer++ with
# 3.6 times fewer (modelled; 3.1 to 4.3).

# %%
from mmf_teach.cost.comparison import MATMUL_FREE_LOSES, Setting, compare, in_words
from mmf_teach.lesson.widgets.compare import as_bars

opening, losing = compare(Setting()), compare(MATMUL_FREE_LOSES)
bars = as_bars(opening) | {losing[1].name: as_bars(losing)[losing[1].name]}
causes = dict(zip(bars[losing[1].name], [style.VERMILION, style.SKY, style.GREEN], strict=True))
title = "Few bits beat many; but a small rival with few bits beats both"
unit = "microjoules a token (modelled)"
picture(stacked_bars(bars, causes, title, unit))
print(in_words(opening), in_words(losing), sep="\n")

# %% [markdown]
# ## What this leaves out
#
# * Loading, storing, looping and branching were not counted, nor what a kernel does inside: the fast ones look sums up
#   instead of adding (04).
# * A silu counts as its equation has it. Torch divides once where the equation divides and multiplies.
# * λ was made beforehand: it depends on no letter. The authors' code makes it anew at every step.
# * The six differences were tried on one small language with little tuning. It tells which matter there, not at a billion
#   weights. The released code's wider channel mixer and its rounding were not tried.
# * Energies of arithmetic are those of single operations at 45 nm; instructions, wires and idle power come in 14.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 08.

# %%
exit_ticket("07")

# %% [markdown]
# In one sentence, for yourself: in which sense is the model free of matrix products, and in which is it not?
#
# Next: [08 Training with three values](08_training_with_three_values.ipynb).
