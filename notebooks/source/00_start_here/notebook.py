# %% [markdown] part="Start" build="nothing yet: a tour and a check of your machine"
# # Start here
#
# **Claim.** A model that writes Shakespeare fits in a file smaller than a photo, and multiplies no matrices.
#
# By the end of this tour you will have checked both halves of that sentence on your own machine, and found the
# multiplications that are left.
#
# About 20 minutes. You need some Python, NumPy and a little PyTorch. Nothing is downloaded and no GPU is used.
# Run a cell with Shift+Enter, and read what comes before the next one.

# %%
import json
from math import exp, log

from mmf_teach.cost.model_operations import remaining_operations, ternary_operations
from mmf_teach.lesson import Compare, Panel, Writer, predict, reveal
from mmf_teach.lesson import count_bars, loss_curves, picture, style
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.generate import generate
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.tools import doctor

# %% [markdown]
# ## The file
#
# The model was trained on one million letters of Shakespeare, once, on a GPU. What it learnt lies in this folder
# of the project. A phone's photo takes some millions of bytes. How many does the model take? Think of a number
# before you run the cell.

# %%
files = {path.name: path.stat().st_size for path in sorted(SHIPPED_MODEL.iterdir())}
total_bytes = sum(files.values())
assert total_bytes < 300_000
for name, size in files.items():
    print(f"{name:24} {size:>8,} bytes")
print(f"{'in all':24} {total_bytes:>8,} bytes (measured)")

# %% [markdown]
# There are four files, and none of them can run anything: two lists in JSON, a record of the training, and the
# weights. Open the model and look at one of its matrices.

# %%
model, vocabulary = load_model(SHIPPED_MODEL)
matrix = model.blocks[0].token_mixer.to_f
print(matrix.trits.shape, matrix.trits.dtype)
print(matrix.trits[:4, :16].numpy())

# %% [markdown]
# Every weight of the matrix is -1, 0 or 1: a **trit**. The whole matrix shares one scale, a single float.
# Five trits fit in a byte (3⁵ = 243 ≤ 256), so a weight takes 1.6 bits where a float takes 16 or 32.

# %%
layers = [module for module in model.modules() if hasattr(module, "trits")]
weights = sum(layer.trits.numel() for layer in layers)
packed_bytes = sum(-(-layer.trits.numel() // 5) for layer in layers)
assert packed_bytes < files["weights.safetensors"]
print(f"{weights:,} ternary weights in {len(layers)} matrices")
print(f"{packed_bytes:,} bytes packed; {weights * 2:,} bytes as 16-bit floats (counted)")

# %% [markdown]
# ## The model writes
#
# Give it a beginning and press *Write*. It reads your letters one by one, then goes on, each new letter drawn by
# the odds it computes from all before. The temperature bends these odds: at 0 it always takes the likeliest.
#
# Watch the counts below the text. **How many multiplications does a letter cost**, and how many would it cost a
# model of the same size with ordinary weights?

# %%
writer = Writer(model, vocabulary)
writer

# %% [markdown]
# The same without a widget: the text is a row of numbers, each a letter, and `generate` yields one more at a time.

# %%
prompt = vocabulary.encode("JULIET:\n")
letters = list(generate(model, prompt, tokens=240, temperature=0.7, seed=3))
print("JULIET:\n" + vocabulary.decode(letters))

# %% [markdown]
# No word of this was stored as a word: the model knows 65 letters and signs, and learnt spelling, verse and
# who speaks to whom from examples.
#
# ## What a letter costs
#
# A dense layer multiplies each weight by an input. With a weight of 1 you add the input, with -1 you subtract
# it, with 0 you do nothing. Norms, scales and gates still multiply. **Of 100 multiplications that a dense model of
# this size does for a letter, how many are left?** Commit a guess, then run on.

# %%
predict("00.p1", "Multiplications left, of 100:", unit="of 100")

# %%
trits = ternary_operations(model)             # what the matrices ask for, for one letter
rest = remaining_operations(model)            # norms, scales, gates and the memory
dense = sum(trits.values())                   # a dense model multiplies for every weight
left_percent = 100 * rest["multiply"] / dense
reveal("00.p1", round(left_percent, 1), unit="of 100 (counted)")

# %%
counts = {
    "dense twin: multiplications": dense,
    "ternary: additions": trits["add"],
    "ternary: subtractions": trits["subtract"],
    "ternary: zeros skipped": trits["skip"],
    "ternary: multiplications left": rest["multiply"],
}
assert trits["skip"] > dense / 3 and rest["multiply"] < dense / 20
shades = [style.PURPLE, style.PLUS, style.MINUS, style.ZERO, style.MULTIPLY]
colours = dict(zip(counts, shades, strict=True))
title = "More than a third of the weights cost nothing; few multiplications are left"
picture(count_bars(counts, colours, title, "operations per letter (counted)"))

# %% [markdown]
# So *MatMul-free* is true of what the model asks for: none of its matrices needs a multiplication.
# *Multiplication-free* would not be true: the norms, the scales, the gates and the memory still multiply, number by
# number. Notebook 07 lists every one of them.
#
# Two things these bars do not say. PyTorch, which ran the model just now, still hands trits to a dense product,
# because that is what it has; notebook 04 runs them without. And fewer multiplications need not mean less energy.
#
# ## Does it save energy?
#
# Here is a model of your choice beside its twin that multiplies matrices: what a token costs, by cause. *Which of the
# three colours decides, and what must the twin do to win?* (Notebooks 01, 07 and 14 say where the numbers are from.)

# %%
Compare()

# %% [markdown]
# ## Is it any good?
#
# Not by reading a sample: samples flatter. A fair measure is the **loss**: the mean surprise, in nats, at each
# next letter of text that the model never saw. A model that knows nothing but the 65 letters has ln 65.

# %%
record = json.loads((SHIPPED_MODEL / "training.json").read_text("utf-8"))
twin = json.loads((DATA / "sweeps" / "shakespeare_transformer.json").read_text("utf-8"))
loss, twin_loss = record["held_out_nats"], twin["held_out_nats"]
losses = {"only the letters": log(65), "MatMul-free": loss, "Transformer++": twin_loss}
for name, nats in losses.items():
    print(f"{name:18} {nats:.3f} nat per letter: as between {exp(nats):.1f} letters")
print("measured on the last 10 % of the text; trained on", record["hardware"].split(";")[0])

# %% [markdown]
# The *twin* is a Transformer++, the rival that the paper chose: as many weights, but floats; attention instead of
# a recurrence; the same text and number of steps. Its learning rate, weight decay and dropout were tuned with as
# many trials as ours.

# %%
assert abs(loss - twin_loss) < 0.01
curves = {"MatMul-free": record["curve"], "Transformer++": twin["curve"]}
colours = {"MatMul-free": style.MATMUL_FREE, "Transformer++": style.TRANSFORMER}
title = "Tuned alike, the two end within 0.01 nat of each other (measured, one run each)"
picture(loss_curves(curves, colours, title, lowest=1.35, highest=2.2))

# %% [markdown]
# A tie, then? On one small text, with one run each: yes, and runs of the same recipe differ by as much as these
# two do. The paper's claim is about models a thousand times larger. Its evidence is three sizes of model and a
# line drawn through them; its critics say that three points carry no such line. Part IV lets you judge.
#
# ## Where this course goes
#
# One small model goes through every layer: its trits become arithmetic, layers, text, packed bytes, a program
# for an accelerator, clock cycles, gates and joules. At every border the integers must agree to the last bit.
#
# * Every title is a claim that you can check.
# * Every number says whether it is quoted, measured, simulated, modelled or counted.
# * Every few cells it is your turn: you predict, then look.

# %% [markdown]
# {{course_map}}

# %% [markdown]
# ## How far you are
#
# Exercises, questions and guesses are kept in a file of yours, `ledger.jsonl`, and go nowhere. Come back to this
# cell, or say `mmf progress` in a terminal; `mmf progress --export FILE` writes what a teacher can collect.

# %% tags=["measured"]
Panel()

# %% [markdown]
# ## Is your machine ready?
#
# The same check runs in a terminal as `mmf doctor`. What is marked *optional* need not worry you.

# %% tags=["measured"]
findings = doctor.examine()
print(doctor.table(findings))
