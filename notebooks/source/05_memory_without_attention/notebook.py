# %% [markdown] part="II Model" build="MLGRU from a GRU, by deletion; step = scan"
# # 05 Memory without attention
#
# **Claim.** Delete the matrices from a GRU's loop and it still remembers, up to the size of its state.
#
# A language model must carry something from token to token. Attention keeps everything and looks it all up again. A GRU
# (2014, three years before the Transformer) keeps one vector, and multiplies it by matrices at every token: slow, one
# after the other. The MatMul-free model keeps the vector and drops the matrices. Here you do that, one deletion at a
# time, see what each costs, and read what the trained model remembers.
#
# 60 to 90 minutes. It builds on [04 Fast kernels](04_fast_kernels.ipynb).

# %%
import numpy as np
import torch

from mmf_teach.lesson import check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import count_bars, letter_rows, picture, style
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.traces import token_mixer_trace
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.reference.activation_functions import sigmoid, silu
from mmf_teach.reference.mlgru_scan import at_once

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("05")

# %% [markdown]
# ## A surprise first
#
# Small models read a made-up language: somebody has a cup, then comes talk of rivers and birds, then it is asked who has
# what. Nobody can foretell it all: the language itself has an entropy of 0.206 nat per letter, the **floor**. A model
# that keeps no memory at all gets 1.56 (the **control**), a GRU after 400 steps of training gets 0.27.
#
# A GRU has six matrices, and three of them multiply the *memory*. Delete these three, change nothing else, and train
# anew. **What does the model without them get?** Commit a guess, then run on.

# %%
predict("05.p1", "Without the matrices that read the memory:", unit="nat per letter")

# %%
from mmf_teach.training.gru_to_mlgru import best_rows

rows, trained = best_rows()
nats = {rung: row["held_out_nats"] for rung, row in rows.items()}
loopless = nats["candidate too: no loop"]
assert round(nats["GRU"], 2) == 0.27 and abs(loopless - nats["GRU"]) < 0.01
reveal("05.p1", round(loopless, 3), unit="nat per letter (measured)")
print(f"with all its matrices the GRU has {nats['GRU']:.3f} nat per letter (measured)")

# %% [markdown]
# Hardly a difference, and a quarter of the weights are gone. For this language the matrices in the loop were not what
# remembered. Keep that in mind until section 4, where something turns out to be missing after all.
#
# **What you will be able to do:** derive the MLGRU from a GRU and say what each deletion buys; write its step and its
# memories; read the gates of a trained model; turn the loop into a scan, in rounds or in chunks, and say when that is
# faster; and say how much a memory of fixed size can recall.

# %% [markdown]
# ## 1  Deleting
#
# A GRU reads a token *x* with a memory *h*. Three vectors decide what happens:
#
# $$f = \sigma(x W_f + h U_f), \quad r = \sigma(x W_r + h U_r), \quad c = \tanh(x W_c + (r \odot h)\, U_c)$$
#
# $$h \leftarrow f \odot h + (1 - f) \odot c$$
#
# The **forget gate** f says how much of each feature to *keep*, the **candidate** c what to write instead. r, the reset
# gate, says how much of the memory the candidate may see. By hand, one feature: h = 4, f = 0.75, c = 0. Then h becomes 3,
# then 2.25, then 1.69. With f = 0 it would be c at once.

# %%
memory, kept, candidate = 4.0, 0.75, 0.0
for token in range(3):
    memory = kept * memory + (1 - kept) * candidate
    print(f"after token {token + 1}: {memory:.4f}")

# %% [markdown]
# **A worked example**: the whole step in NumPy. Everything that can be done for all tokens beforehand stands on the left,
# with `x`. What must wait for the token before stands with `h`: three products with a matrix, *inside the loop*.

# %%
def gru_step(x, h, w, u):
    f = sigmoid(x @ w["f"] + h @ u["f"])               # forget gate
    r = sigmoid(x @ w["r"] + h @ u["r"])               # reset gate
    c = np.tanh(x @ w["c"] + (r * h) @ u["c"])         # candidate
    return f * h + (1 - f) * c                         # the new memory

dice = np.random.default_rng(5)
w, u = ({name: dice.normal(size=(3, 3)) for name in "frc"} for _ in range(2))
h = np.zeros(3)
for x in dice.normal(size=(3, 3)):
    h = gru_step(x, h, w, u)
    print(h.round(3))

# %% [markdown]
# Now delete, as the paper does:
#
# | | what is left | matrices in the loop |
# |---|---|---|
# | GRU | all of it | 3 |
# | gates read the token only | no U_f, no U_r | 1 |
# | candidate too | no U_c; so r has nothing to do, and goes | **0** |
# | silu for tanh | c = silu(x W_c), not bounded by 1 | 0 |
# | an output gate, added | y = (σ(x W_g) ⊙ h) W_o | 0 |
# | trits for floats | all maps ternary, each with its norm | 0 |
#
# What is left when the third line is done? The gates no longer know what is remembered. Only ⊙, one feature with itself,
# touches the memory.

# %%
control, floor = nats["no memory (control)"], trained["floor_nats"]
shown = {rung: round(loss, 3) for rung, loss in nats.items()} | {"floor": round(floor, 3)}
colours = dict.fromkeys(shown, style.ORANGE) | {
    "GRU": style.PURPLE, "trits for floats: MLGRU": style.BLUE, "no memory (control)": style.GREY,
    "floor": style.GREEN}
title = "Every deletion is free here, as long as something is remembered"
picture(count_bars(shown, colours, title, "nat per letter, 400 steps, best of 4 rates (measured)"))
remember = [loss for rung, loss in nats.items() if rung != "no memory (control)"]
assert max(remember) - min(remember) < 0.02 < 1 < control - max(remember)

# %% [markdown]
# The rungs lie within two hundredths of a nat, and the control more than a whole nat above them. Trits cost a little.
#
# Do not read more into it. This is one small language and short training: all rungs are still nearly 0.07 above the floor, and
# a reader who knows the language but forgets every fact would stand at 0.226. So nobody recalls the facts yet.

# %% [markdown]
# **What was won?** Time. Here is what one token mixer of each kind needs for eight texts of 128 tokens, forwards and
# backwards, on one core of your machine.

# %% tags=["measured"]
from mmf_teach.engine.accelerate import accelerate
from mmf_teach.engine.bench.clock import take_turns
from mmf_teach.engine.bench.rows import TorchThreads
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.training.gru_to_mlgru import MIXERS, TRITS

mixers = {rung: accelerate(make(128)) for rung, make in MIXERS.items() if "control" not in rung}
mixers[TRITS] = accelerate(MLGRU(128))
x, h = torch.randn(8, 128, 128), torch.zeros(8, 128)
works = {
    rung: lambda number, mixer=mixer: mixer(x, h)[0].sum().backward()
    for rung, mixer in mixers.items()
}
with TorchThreads(1):
    times = take_turns(works, samples=5, seconds=1.5)
us = {rung: round(time.median_us / 1024, 1) for rung, time in times.items()}
colours = {rung: style.PURPLE if mixer.looks_back else style.BLUE for rung, mixer in mixers.items()
           if rung != TRITS} | {TRITS: style.BLUE}
title = "No loop, no waiting: blue reads all tokens at once"
picture(count_bars(us, colours, title, "microseconds a token (measured here)"))

# %% [markdown]
# Purple must go step by step: 128 tokens, 128 small products one after the other. Blue makes all gates in one large
# product and runs one loop without matrices. On a GPU the difference is larger still, since it can do thousands of
# things at once and a loop lets it do one.
#
# **Exercise 05.1** Write what is left: one step of the MLGRU. The four maps are handed over as functions, biases included;
# `sigmoid` and `silu` (a number times its sigmoid) are given. Return the output and the new memory.

# %% solution="mmf_teach.reference.mlgru:mlgru_step"
def mlgru_step(x, h, to_f, to_c, to_g, to_o):
    # forget gate and candidate
    # the new memory
    # output gate
    todo("what is shown, and what is remembered")

# %%
check("05.1", mlgru_step)

# %% [markdown]
# Your step, with ternary maps, against the trained model's own: one block, and text that it never saw.

# %%
from mmf_teach.reference.bit_linear import bit_linear

mlgru_step = use("05.1")
model, letters = load_model(SHIPPED_MODEL)
mixer = model.blocks[0].token_mixer

def ternary(layer):
    trits, scale, bias = layer.trits.numpy(), float(layer.scale), layer.bias.detach().numpy()
    return lambda x: bit_linear(x[None], trits, scale)[0] + bias

maps = [ternary(layer) for layer in (mixer.to_f, mixer.to_c, mixer.to_g, mixer.to_o)]
mine, theirs, furthest = np.zeros(128, np.float32), torch.zeros(1, 128), 0.0
with torch.no_grad():
    for x in model.embedding(torch.from_numpy(letters.encode("To be, or not to be"))):
        y, mine = mlgru_step(x.numpy(), mine, *maps)
        wanted, theirs = mixer.step(x[None], theirs)
        furthest = max(furthest, float(np.abs(y - wanted.numpy()).max()))
assert furthest < 0.02 and np.abs(mine - theirs.numpy()).max() < 0.02
print("after 19 letters your memory is the trained model's, to a code or so")

# %% [markdown]
# ## 2  What it remembers
#
# Everything that a memory goes through in a text is a list of gates and a list of candidates.
#
# **Exercise 05.2** Return the memory after each token. `f` and `c` have a row a token; `h` is the memory before the
# first.

# %% solution="mmf_teach.reference.mlgru_scan:memories"
def memories(f, c, h):
    memory = np.empty_like(c)
    for t in range(len(f)):
        todo("the new h, and its place in the memory")
    return memory

# %%
check("05.2", memories)

# %% [markdown]
# How long does it last? A feature that always keeps 0.5 has forgotten half after one token; one that keeps 0.98 takes 34.
#
# **Exercise 05.3** Return the half-life of a share f, in tokens. 0 forgets at once and 1 never: `float("inf")`. Anything
# outside 0 to 1 is a mistake of the caller: raise a `ValueError`.

# %% solution="mmf_teach.reference.mlgru:half_life"
def half_life(f):
    todo("for which n is f ** n one half?")

# %%
check("05.3", half_life)

# %%
memories, half_life = use("05.2"), use("05.3")
text = (DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8")[:2048]
tokens = letters.encode(text)
kept = [token_mixer_trace(model, tokens, block)["forget gate f"] for block in range(6)]
for block, f in enumerate(kept):
    usual = np.exp(np.log(f.astype(float)).mean(axis=0))        # what a feature keeps on average
    lives = sorted(half_life(share) for share in usual)
    print(f"block {block}: half-lives {lives[0]:.1f} to {lives[-1]:.0f} letters, the middle one "
          f"{lives[64]:.1f}, a tenth above {lives[115]:.0f} (measured)")

# %% [markdown]
# Most features of the trained model forget within a few letters: they spell. One in ten lasts for a line or more.
#
# **Explore.** Type a text, and see what a feature does at each letter. Names of speakers are in capitals, a blank line
# comes before them, a colon after. *Block 3, feature 87: when is its memory written, and by which letter? What makes it
# let go?* Then try block 2, feature 99, or block 5, feature 36.

# %%
from mmf_teach.lesson import LetterTrace

LetterTrace(model, letters, block=3, feature=87, text="KATE:\nAy me!\n\nROMEO:\nShe speaks.\n")

# %% [markdown]
# ## The figure to remember
#
# The same without a widget. The candidate alone is the **baseline**: all that a model without memory would have. At the bottom
# is the **control**: the same candidates, written into a memory whose gate stands still at its own mean.

# %%
said = "KATE:\nAy me!\n\nROMEO:\nShe speaks.\n"
trace = {name: rows[:, 87].astype(float) for name, rows in
         token_mixer_trace(model, letters.encode(said), 3).items()}
f, c = trace["forget gate f"], trace["candidate c"]
own = memories(f[:, None], c[:, None], np.zeros(1))[:, 0]
still = memories(np.full((len(f), 1), f.mean()), c[:, None], np.zeros(1))[:, 0]
assert np.allclose(own, trace["memory h"], atol=1e-5)
at = said.index("ROMEO")
assert own[at:at + 4].min() > 0.7 and abs(own[at + 7:]).max() < 0.15 and f[at - 1] < 0.4 < f[at]
rows = {
    "memory h": own, "forget gate f": f, "candidate c": c, "h, gate still": still,
}
rows = {name: [round(float(v), 2) for v in values] for name, values in rows.items()}
title = "Block 3, feature 87: a name is being spoken"
picture(letter_rows(said, rows, title, "what a trained feature remembers, and why"))

# %% [markdown]
# The blank line writes: its candidate is 1.6, and the gate falls to 0.25, so most of that gets in. Through R, O, M, E, O the
# gate keeps nearly nine tenths a letter. At the line's end after the colon it falls again, and the memory is gone. Nobody
# programmed this, and no matrix looks at the memory: *the gates read the text, and that is enough to know when to forget*.
#
# How much depends on it? Hold *all* forget gates of the model still, each at its own mean over 2,048 letters. As trained it
# has a loss of 1.21 nat per letter; without any memory, all gates at 0, it has 3.03. **What does it have with gates
# that stand still?**

# %%
predict("05.p2", "Loss with every forget gate held at its mean:", unit="nat per letter")

# %%
from mmf_teach.training.validation_loss import loss_nats
from mmf_teach.model.ablation import with_held_gates

means = [torch.from_numpy(f.mean(axis=0)) for f in kept]
as_trained = loss_nats(model, tokens)
held = loss_nats(with_held_gates(model, means), tokens)
empty = loss_nats(with_held_gates(model, [0 * mean for mean in means]), tokens)
assert (round(as_trained, 2), round(empty, 2)) == (1.21, 3.03)
reveal("05.p2", round(held, 2), unit="nat per letter (measured)")

# %% [markdown]
# More than half of what the memory is worth lies in *when* it forgets. RWKV-4, which the paper also tried, has gates that stand
# still in this sense: each feature decays at its own fixed rate. (Trained that way a model does far better than one
# whose gates are stopped afterwards.)

# %% [markdown]
# ## 3  A step is a scan
#
# Without matrices in it, the loop can be rearranged. A token makes of the memory h the new one *kept* · h + *written*,
# where kept = f and written = (1 - f) · c. Two tokens in a row make
#
# $$k_2\,(k_1 h + w_1) + w_2 \;=\; (k_2 k_1)\, h + (k_2 w_1 + w_2)$$
#
# and that is a step of the same kind. By hand: keep 1/2 and write 1, then keep 1/4 and write 4. From h = 8: first 5, then
# 5.25. In one step: keep 1/8, write 4.25, and 8/8 + 4.25 = 5.25.
#
# **Exercise 05.4** Return that one step. Each step is a pair (kept, written).

# %% solution="mmf_teach.reference.mlgru_scan:two_steps"
def two_steps(first, second):
    todo("a pair: what is kept, what is written")

# %%
check("05.4", two_steps)

# %%
two_steps = use("05.4")
a, b, c = (0.5, 1.0), (0.25, 4.0), (0.75, -2.0)
print("(a b) c:", two_steps(two_steps(a, b), c))
print("a (b c):", two_steps(a, two_steps(b, c)))

# %% [markdown]
# It does not matter which two are joined first. So tokens can be joined in pairs, pairs in fours, fours in eights: all joins
# of a round *at the same time*. After round k each token has seen the last 2ᵏ tokens, itself among them.
#
# **Exercise 05.5** All memories from nothing, in rounds. All lines are here, in the wrong order. Move them, then press
# *Check*.

# %%
parsons("05.5")

# %%
by_doubling = use("05.5")
ones = np.ones((8, 1))
print("all kept, 1 written each time:", by_doubling(ones, ones).ravel())
print("half kept:", by_doubling(ones / 2, ones).ravel().round(3))

# %% [markdown]
# Ten rounds for 1,024 tokens. But each round touches *all* tokens: ten times the work of the loop. In between lie **chunks**.
# Inside a chunk two things are made: its `own` memories, from nothing, and the `share` that is left of whatever came before.
# All chunks can do that at the same time; then one carry goes from chunk to chunk.
#
# **Exercise 05.6** Chunks of some size. For two chunks this code is right. Work out the third with all shares 1 and all
# written 1, find the bug before you run the check, and mend it.

# %% solution="mmf_teach.reference.mlgru_scan:by_chunks"
def by_chunks(kept, written, size):
    """All memories from nothing, chunk by chunk."""
    memory, carried = np.empty_like(written), np.zeros_like(written[0])
    for first in range(0, len(kept), size):
        own, share = np.zeros_like(carried), np.ones_like(carried)
        for t in range(first, min(first + size, len(kept))):
            own, share = kept[t] * own + written[t], kept[t] * share
            memory[t] = own + share * carried
        carried = own
    return memory

# %%
check("05.6", by_chunks)

# %% [markdown]
# Why rounds at all? There is a closed form. With P the running product of the shares, the memory is P times the running sum of
# written / P. Two running sums, no loop, and it is right on paper. Try it in 32-bit floats with a gate of 0.9 and a
# candidate of 1: the true memory goes to 1 and stays there.
#
# **At which token does the closed form first give something that is not a number?**

# %%
predict("05.p3", "The first token at which the closed form fails:", unit="(number of the token)")

# %%
kept_09 = np.full((2000, 1), 0.9, np.float32)
closed = at_once(kept_09, 1 - kept_09)[:, 0]
first = int(np.flatnonzero(~np.isfinite(closed))[0])
reveal("05.p3", first + 1, unit="th token (computed in float32)")
for token in (first, first + 1, 2000):
    print(f"token {token}: the memory is {closed[token - 1]:.4f}")

# %% [markdown]
# One token before, it is right to six digits. Then P has shrunk to where float32 ends, and the sum of written / P is infinite.
# Where P itself becomes 0, as with a gate of 0.5 after 150 tokens, infinity times zero is `nan`. Scans never divide, and so
# never fail. (Logarithms only move the problem: kernels in log space need care for the same reason.)
#
# **Exercise 05.7** Write the test that would have caught it. It is handed `scan(f, c, h)` and returns True if the memories
# are those of the loop. The check tries it on a right scan and on eight wrong ones.

# %% solution="exercises:agrees_with_the_loop"
def agrees_with_the_loop(scan):
    todo("gates, candidates and a first memory of your choice; compare with a loop that you trust")

# %%
check("05.7", agrees_with_the_loop)

# %% [markdown]
# Now all ways of the library, by your test. And a stricter one: with gates of 0, 1/2 and 1 and whole candidates no step
# rounds, so all four must agree **to the last bit**.

# %%
from mmf_teach.engine.mlgru_scan import chunked, compiled, doubling
from mmf_teach.layers import mlgru_scan as naive

agrees_with_the_loop = use("05.7")
ways = {"loop": naive, "doubling": doubling, "chunked": chunked, "compiled": compiled}

def in_numpy(way):
    def scan(*arrays):
        return way.mlgru_scan(*(torch.tensor(array)[None] for array in arrays))[0].numpy()
    return scan

halves = torch.tensor(dice.integers(0, 3, (2, 20, 5)) / 2)
whole = torch.tensor(dice.integers(-8, 9, (2, 20, 5)).astype(float))
start = torch.ones(2, 5, dtype=torch.float64)
exact = naive.mlgru_scan(halves, whole, start)
for name, way in ways.items():
    same = torch.equal(way.mlgru_scan(halves, whole, start), exact)
    print(f"{name:9} passes your test: {agrees_with_the_loop(in_numpy(way))}; bit for bit: {same}")

# %% [markdown]
# And how fast are they? Eight texts of 512 tokens with 256 features, 32-bit floats, one core. Commit a guess.

# %%
predict("05.p4", "Fastest, forwards and backwards, on one core:", choices=tuple(ways))

# %% tags=["measured"]
shape = (8, 512, 256)
f = torch.rand(shape).clamp(0.05, 0.95).requires_grad_()
c, h, g = torch.randn(shape, requires_grad=True), torch.zeros(8, 256), torch.randn(shape)

def forwards(way):
    return lambda number: way.mlgru_scan(f.detach(), c.detach(), h)

def both(way):
    return lambda number: way.mlgru_scan(f, c, h).backward(g)

with TorchThreads(1):
    ahead = take_turns({name: forwards(way) for name, way in ways.items()}, 5, 1.0)
    there_and_back = take_turns({name: both(way) for name, way in ways.items()}, 5, 1.5)
reveal("05.p4", min(there_and_back, key=lambda name: there_and_back[name].median_us))
for name in ways:
    ms = ahead[name].median_us / 1000, there_and_back[name].median_us / 1000
    print(f"{name:9} forwards {ms[0]:6.1f} ms, and back {ms[1]:6.1f} ms (measured here)")

# %% [markdown]
# On one core the plain loop, *compiled*, wins by far: it touches each number once. Doubling, the cleverest, is the slowest: it
# has the fewest steps and the most work. Which of the two counts depends on how many things a machine can do at once. A
# GPU runs chunks, and inside them the tree. (`mmf bench scan` measures more of this.)
#
# The compiled way needs no record of its steps for the way back, either. The gradient obeys a recurrence of the same kind, run
# from the end to the beginning.

# %% [markdown]
# ## 4  Up to the size of its state
#
# Now the bill. The memory has d numbers a block, after ten tokens as after ten thousand. Attention keeps 2 · d a block for
# *each* token. A test that needs this: pairs of words are told once (a 7, b 3, ...), then some are asked for (b?). Every
# model of the course was trained on it: 4,000 steps on an NVIDIA H100, one seed, the best of a few learning rates, stored in
# `data/sweeps/recall.json`.

# %%
from mmf_teach.lesson import recall_points, size_lines
from mmf_teach.training.recall import CHANCE
from mmf_teach.training.recall_sweep import recall_rows

found = recall_rows("pairs")
names = {row["kind"]: row["kind"].replace("_", " ") for row in found}
middle = {names[row["kind"]]: row for row in found if row["width"] == 64}
curves = {name: row["accuracy"] for name, row in middle.items()}
shades = [style.MATMUL_FREE, style.SKY, style.TRANSFORMER, style.ORANGE, style.PURPLE]
colours = dict(zip(middle, [*shades, style.GREEN, style.INK], strict=True))
title = "Attention recalls all, a vector of gates little, and local attention mends it"
y_name = "share of questions answered (measured, width 64)"
pairs = found[0]["x"]
assert curves["matmul free"][0] > 0.6 > 0.25 > curves["matmul free"][3]
assert min(curves["transformer"] + curves["hybrid"]) > 0.99
picture(size_lines(pairs, curves, colours, title, "pairs told", y_name, guessing=CHANCE))

# %% [markdown]
# Here is what the deletions cost. The MatMul-free model answers seven in ten questions when two pairs were told, and two in
# ten when there were sixteen. Attention answers all. So does the hybrid, MLGRU and attention over the nearest 128 tokens
# in turn: with these short texts that is attention over everything. Trits or floats, it makes no difference; *looking back*
# does.

# %%
place = pairs.index(16)
points = {}
for row in found:
    point = (row["numbers_kept"][place], row["accuracy"][place])
    points.setdefault(names[row["kind"]], []).append(point)
title = "More state, more recall; but not every number recalls alike"
x_name = "numbers in the memory after 16 pairs (counted)"
y_name = "share answered of 16 pairs (measured)"
picture(recall_points(points, colours, CHANCE, title, x_name, y_name))

# %% [markdown]
# Along a line the width doubles, and recall rises: a memory of fixed size remembers up to its size. Between lines there is more
# to see. Mamba's memory is fixed as well, but has 76 numbers where the MLGRU has one, and it recalls nearly all. And from
# 128 to 256 numbers the MLGRU gains almost nothing. A likely reason: a gate reads one token, and a pair is *two*. The
# second block could put them together, but did not learn to in 4,000 steps (one seed each).
#
# That is the claim with its price: **it still remembers, up to the size of its state**, and what to keep must be decided
# by the token alone. Shakespeare's spelling and speakers are content with that. A table to look things up in is not.

# %% [markdown]
# ## What this leaves out
#
# * The ladder is one small language, 400 steps, one seed and four learning rates each, of which the two largest differ by
#   0.002 nat or so. It shows that nothing breaks, and not who wins at length (Part IV).
# * Its last rung changes two things at once: trits, and a norm in every map.
# * Deleting has a price that no loss on text shows: a GRU can count and keep score; a gate that cannot see the memory
#   cannot. Two blocks on top of one another make up for some of it.
# * Mamba and its kin delete the same matrices and keep a *wider* state. Notebook 09 compares them over long texts.
# * The released code differs from the paper in the gates: a lower bound that grows with the layer. Notebook 07.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 06.

# %%
exit_ticket("05")

# %% [markdown]
# In one sentence, for yourself: what can a gate that reads only the token still know, and what can it not?
#
# Next: [06 Mixing channels](06_mixing_channels.ipynb), the other half of a block.
