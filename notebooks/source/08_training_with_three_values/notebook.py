# %% [markdown] part="II Model" build="the training loop; a model trained in a minute"
# # 08 Training with three values
#
# **Claim.** Ternary weights learn from gradients that pretend no rounding happened, and want a larger step.
#
# Here a model learns to write Python, on your processor, in about a minute. You write what makes it learn: the rate,
# the gradient, the loop. Then you watch its trits flip, see what happens when the rate goes to zero, and compare with
# 48 runs of two models, to which all had the same chances.
#
# 60 to 90 minutes. It builds on [07 A whole language model](07_a_whole_language_model.ipynb).

# %%
import json

import numpy as np
import torch

from mmf_teach.lesson import bar, check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import picture, step_lines, style
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.ternary.quantise import SMALLEST, absmean
from mmf_teach.training.flips import FlipWatch, trits_of

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("08")

# %% [markdown]
# ## A surprise first
#
# A new model of 2.4 million weights, three blocks wide 256. The text is the Python that runs this very notebook: the
# sources of its standard library. One update with AdamW moves *every* float weight by about the learning rate, here
# 0.004, while a typical weight has the size 0.05.
#
# **How many percent of the trits flip in this one update?**

# %%
predict("08.p1", "Trits that flip in one update at full rate:", unit="%")

# %%
from mmf_teach.engine.training_step import make_step
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.training.corpus import standard_library
from mmf_teach.training.loop import batch
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.step import make_optimiser, state_tensors

text = standard_library()
train, recipe = torch.from_numpy(text.train), Recipe.read(DATA / "recipes" / "minute.toml")
config = ModelConfig(recipe.kind, len(text.vocabulary), recipe.width, recipe.blocks)

def new_learner():
    torch.manual_seed(recipe.seed)
    model = build(config)
    optimiser = make_optimiser(model, recipe)
    return model, optimiser, make_step(model, optimiser, recipe.clip)

# %% tags=["measured"]
model, _, step_once = new_learner()
watch = FlipWatch(model)
step_once(*batch(train, recipe, 0), recipe.learning_rate)
reveal("08.p1", round(100 * watch.look(), 1), unit="% (measured here)")
print(f"{model.count_parameters():,} weights, {watch.count:,} of them trits")
print(f"{len(text.text):,} characters")

# %% [markdown]
# All weights moved, and nearly all trits stayed. A trit flips only where its weight crosses one of two thresholds, half
# the mean size to either side of zero. Behind each trit stands a float that remembers many small pushes, until they
# suffice. That float is what learns.
#
# **What you will be able to do:** write the schedule of a learning rate and a test of it; take a gradient straight
# through two roundings; say which weights an update must move; write a training loop; count flips, and tell from them
# why the loss drops at the end; and judge whether two models were compared with equal chances.

# %% [markdown]
# ## 1  A rate that ends at zero
#
# Ten steps, a peak of 1, two steps of climb. The climb has equal strides: 0.5, 1. Then eight steps of half a cosine,
# (1 + cos(π · share)) / 2, with share 0/8, 1/8, 2/8, ... of the way down: 1, 0.96, 0.85, ..., 0.04. Right after the
# last step it would be 0.
#
# Why so? At first the gradients are large and AdamW's memory of their sizes is empty: small steps are safe. At the end
# each trit should settle; you will see what that is worth.
#
# **Exercise 08.1** Return the rate of step 0, 1, ..., `steps` - 1.

# %% solution="mmf_teach.training.schedule:learning_rate"
def learning_rate(step, steps, peak, warmup):
    todo("a climb, then half a cosine")

# %%
check("08.1", learning_rate)

# %%
learning_rate = use("08.1")
rates = [learning_rate(step, 10, 1.0, 2) for step in range(10)]
assert np.allclose(rates[:4], [0.5, 1, 1, 0.9619], atol=1e-4) and 0.03 < rates[-1] < 0.04
print(np.round(rates, 2))

# %% [markdown]
# A wrong schedule does not fail: the model learns a little worse, and nobody knows why. So it wants a test.
#
# **Exercise 08.2** Write it. Your test is handed a function like yours and returns True if that is right. The check tries
# it on the library's schedule and on eight wrong ones.

# %% solution="exercises:climbs_and_comes_down"
def climbs_and_comes_down(rate):
    todo("schedules of your choice, and numbers that you are sure of")

# %%
check("08.2", climbs_and_comes_down)

# %% [markdown]
# ## 2  A gradient that pretends
#
# By hand. One token: codes 3 and -1, scale 0.5. One output: trits 1 and 0, scale 0.25. So y = (3·1 + -1·0) · 0.5 · 0.25
# = 0.375. Let the loss fall by 2 when y rises by 1: dy = 2.
#
# | | what was multiplied | gradient |
# |---|---|---|
# | weights | 0.25, 0 | for x: 2 · 0.25, 2 · 0 = **0.5, 0** |
# | inputs | 1.5, -0.5 | for W: 2 · 1.5, 2 · -0.5 = **3, -1** |
#
# The second weight has the trit 0: it had no part in y, and it still has a gradient. That is how a zero can wake up.
# The *true* gradient for all four numbers is 0, for a small push changes neither codes nor trits.
#
# **Exercise 08.3** Write it for many tokens and outputs; `x_scale` is a column, one scale a token.

# %% solution="mmf_teach.reference.straight_through:gradients"
def gradients(dy, codes, x_scale, trits, w_scale):
    todo("dx and dw, as if what was multiplied were the floats")

# %%
check("08.3", gradients)

# %% [markdown]
# Three ways to the same gradient: yours; torch's autograd through `straight_through` of notebook 03; and the compiled
# layer that trains the model below. It does the two products of the way back in bfloat16 where your processor has that:
# 8 binary digits are enough, for a gradient is a rough direction.

# %%
from mmf_teach.engine.bit_linear.training import trained_bit_linears
from mmf_teach.layers import bit_linear as layer
from mmf_teach.layers.straight_through import straight_through

gradients = use("08.3")
dice = torch.Generator().manual_seed(0)
x, w, dy = (torch.randn(*shape, generator=dice) for shape in ((64, 32), (48, 32), (64, 48)))
x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)    # as BitLinear's norm makes it
(codes, x_scale), (trits, w_scale) = layer.absmax(x), layer.absmean(w)
own = gradients(*(v.numpy() for v in (dy, codes, x_scale, trits)), float(w_scale))[1]

for_torch, for_compiled = (w.clone().requires_grad_() for _ in "ab")
y = straight_through(x, codes * x_scale) @ straight_through(for_torch, trits * w_scale).T
y.backward(dy)
trained_bit_linears(x, [for_compiled], [None])[0].backward(dy)
for name, other in (("autograd", for_torch.grad), ("compiled", for_compiled.grad)):
    off = float((torch.from_numpy(own) - other).norm() / other.norm())
    print(f"by hand against {name}: at most 0.5 % apart: {off < 5e-3}")

# %% [markdown]
# **Exercise 08.4** Somebody wrote an update of one layer. It runs. With a small rate the loss does not move at all. Think
# of the weight 0.9 that is pushed by 0.01 a hundred times. Find the bug before you run the check, and mend it.

# %% solution="mmf_teach.reference.training:update"
def update(w, x, target, rate):
    """The weights after one step towards the targets."""
    scale = max(np.abs(w).mean(), SMALLEST)
    trits = np.clip(np.rint(w / scale), -1, 1)
    error = x @ (scale * trits).T - target
    return scale * trits - rate * error.T @ x / len(x)

# %%
check("08.4", update)

# %%
update = use("08.4")
dice = np.random.default_rng(8)
goal, w, x = dice.integers(-1, 2, (4, 16)), dice.normal(size=(4, 16)), dice.normal(size=(256, 16))
for _ in range(301):
    if _ % 100 == 0:
        right = (absmean(w)[0] == goal).mean()
        print(f"after {_:3} updates {right:4.0%} of the trits are those of the goal (measured)")
    w = update(w, x, x @ goal.T, 0.05)

# %% [markdown]
# ## 3  The loop
#
# **Exercise 08.5** What remains is the loop. All lines are here, in the wrong order. `step_once(x, y, rate)` updates the
# model and returns the loss. Move them, then press *Check*.

# %%
parsons("08.5")

# %% [markdown]
# And flips must be counted. Take care: each matrix is rounded with its own scale, and the scale moves as well.
#
# **Exercise 08.6** Return how many weights have another trit after than before. `absmean` is that of notebook 03.

# %% solution="mmf_teach.training.flips:flipped"
def flipped(before, after):
    todo("round both, compare, count")

# %%
check("08.6", flipped)

# %% [markdown]
# Now the model: 500 updates of 8 windows of 128 characters. It is a budget of *steps*: a busy machine takes longer and
# learns the same. In a quiet minute on two cores it comes to 1.5 nat a character; were all 96 characters equally
# likely, it would be 4.56.
#
# The first 340 updates are yours, in two helpings. **Which share of the trits will have been the same all the time?**

# %%
predict("08.p2", "Trits that never flip in 340 updates:", unit="%")

# %%
run, LOOK = use("08.5"), 20

def falling(step):
    return learning_rate(step, recipe.steps, recipe.learning_rate, recipe.warmup)

def train_on(step_once, watch, flips, first, last, rate_of):
    """Your loop, from one update to another; every 20 it looks which trits flipped."""
    progress = iter(bar(range(first, last), "training"))

    def next_batch(done):
        next(progress)
        if done and done % LOOK == 0:
            flips.append(watch.look())
        return batch(train, recipe, first + done)

    losses = run(step_once, next_batch, lambda done: rate_of(first + done), last - first)
    flips.append(watch.look())
    next(progress, None)
    return [float(loss) for loss in losses]

# %% tags=["measured"]
model, optimiser, step_once = new_learner()
watch, flips = FlipWatch(model), []
losses = train_on(step_once, watch, flips, 0, 160, falling)
print(f"training loss {losses[0]:.2f} nat at first (measured here)")
print(f"training loss {np.mean(losses[-20:]):.2f} nat at last (measured here)")

# %% tags=["measured"]
losses += train_on(step_once, watch, flips, 160, 340, falling)
kept = {name: t.clone() for name, t in state_tensors(model, optimiser).items()}   # for a control
reveal("08.p2", round(100 * watch.never_moved()), unit="% (measured here)")
print(f"{watch.back_home():.0%} of the trits flipped and are back home (measured here)")

# %% [markdown]
# ## 4  The drop at the end
#
# Ternary runs have an odd curve, shaped like an S: down, a long flat part, and a second drop when the rate goes to zero.
# Is it the *time* or the *rate*? Go on for 160 updates, twice from the same point, with the same batches: once with the
# rate falling to zero, and once, as a **control**, with the rate that it has now.

# %%
choices = ("the falling rate, clearly", "no difference", "the constant rate, clearly")
predict("08.p3", "After 160 more updates, which is ahead?", choices=choices)

# %% tags=["measured"]
from mmf_teach.training.validation_loss import loss_nats

losses += train_on(step_once, watch, flips, 340, recipe.steps, falling)
blocks = text.held_out[: len(text.held_out) // 1024 * 1024].reshape(-1, 1024)
sample = blocks[:: len(blocks) // 48].ravel()            # from all over the part that was held out
learnt = loss_nats(model, sample)
assert learnt < 2.0 < losses[0]
print(f"{learnt:.3f} nat a character, {len(sample):,} held-out characters (measured here)")

# %% tags=["measured"]
other, other_optimiser, other_step = new_learner()
for name, tensor in state_tensors(other, other_optimiser).items():
    tensor.copy_(kept[name])
restless, other_flips = FlipWatch(other), []
constant = train_on(other_step, restless, other_flips, 340, recipe.steps, lambda step: falling(340))
still = loss_nats(other, sample)
gain = still - learnt
reveal("08.p3", choices[0] if gain > 0.01 else choices[1] if gain > -0.01 else choices[2])
print(f"rate to zero {learnt:.3f}, as it was {still:.3f} nat, held out (measured here)")

# %% tags=["measured"]
def smooth(values):
    return [float(np.mean(values[k : k + LOOK])) for k in range(0, len(values), LOOK)]

steps = [LOOK * (k + 1) for k in range(recipe.steps // LOOK)]
after = steps[340 // LOOK :]
lines = {"rate to zero": (steps[4:], smooth(losses)[4:], style.BLUE),
         "control: rate as it was": (after, smooth(constant), style.VERMILION)}
title = "The last drop comes from the rate, not from more text"
y = "training loss, nat per character, mean of 20 (measured here)"
picture(step_lines(lines, title, "update", y))

# %% [markdown]
# And the trits? Here is the share that flips in each update, for both.

# %% tags=["measured"]
def per_update(shares):
    return [100 * share / LOOK for share in shares]

scaled = [max(per_update(flips)) * falling(step) / recipe.learning_rate for step in steps]
lines = {"rate to zero": (steps, per_update(flips), style.BLUE),
         "control: rate as it was": (after, per_update(other_flips), style.VERMILION),
         "the falling rate itself, to scale": (steps, scaled, style.GREY)}
title = "Trits flip as long as the rate lets them"
picture(step_lines(lines, title, "update", "% of all trits (measured here)"))

# %% [markdown]
# Under a constant rate weights near a threshold are pushed over it and back, update after update: noise in every
# product. As the rate falls the trits come to rest, and the loss drops.
#
# What has it learnt? It has the look of Python, and no idea what it says:

# %% tags=["measured"]
from mmf_teach.model.generate import generate

prompt = text.vocabulary.encode("def read(self, ")
print("def read(self, " + text.vocabulary.decode(list(generate(model, prompt, 300, seed=1))))

# %% [markdown]
# The full runs on a graphics processor, 5,000 updates on Shakespeare, stored with this course: the model that you met in
# notebook 00 and its dense twin. From update 4,000 on the held-out loss of the ternary one falls by 0.045 nat. But its
# twin falls too, by 0.019, and it was flat for the last 500. A decaying rate helps everybody; trits, more.

# %%
from mmf_teach.lesson import loss_curves

files = {"MatMul-free": SHIPPED_MODEL / "training.json",
         "Transformer++": DATA / "sweeps" / "shakespeare_transformer.json"}
stored = {name: json.loads(file.read_text("utf-8"))["curve"] for name, file in files.items()}
held_out = {name: curve["held_out_nats"] for name, curve in stored.items()}
fall = {name: nats[31] - nats[-1] for name, nats in held_out.items()}
assert round(fall["MatMul-free"], 3) == 0.045 and round(fall["Transformer++"], 3) == 0.019
colours = {"MatMul-free": style.BLUE, "Transformer++": style.ORANGE}
picture(loss_curves(stored, colours, "The ternary model gains more at the end", 1.39, 1.7))

# %% [markdown]
# ## 5  What the weights look like
#
# The share of zeros in each kind of matrix of the shipped model: what an accelerator could skip.

# %%
from mmf_teach.lesson import count_bars
from mmf_teach.model.checkpoint import load_model

shipped, _ = load_model(SHIPPED_MODEL)
zeros = {}
for name, buffer in shipped.named_buffers():
    if name.endswith("trits"):
        kind = name.removesuffix(".trits").split(".")[-1]
        zeros.setdefault(kind, []).append(100 * float((buffer == 0).float().mean()))
means = {kind: round(float(np.mean(of))) for kind, of in zeros.items()}
fresh = [(t == 0).mean() for t in trits_of(new_learner()[0]).values()]
means["control: a new model"] = round(100 * float(np.mean(fresh)))
colours = dict.fromkeys(means, style.BLUE) | {"control: a new model": style.GREY}
title = "Learning changes the share of zeros"
picture(count_bars(means, colours, title, "% of trits that are 0 (counted)"))

# %% [markdown]
# A new matrix, drawn from a bell curve, has 31 % zeros: the share within half of the mean size. Whatever differs from
# that was learnt. Yours, after a minute:

# %% tags=["measured"]
mine = watch.zeros()
for kind in zeros:
    shares = [share for name, share in mine.items() if name.endswith(kind)]
    print(f"{kind:10} {np.mean(shares):.0%} zeros after 500 updates (measured here)")

# %% [markdown]
# ## The figure to remember
#
# Is a larger rate a matter of taste? The paper trained its MatMul-free model of 370M with 0.004 and its Transformer++ with
# 0.0003 (quoted: Zhu et al. 2024). But it does not print how each was tuned. So: two models of one size, on Shakespeare,
# 600 updates, eight rates, three seeds, **all the same trials for both**: 48 runs, made by one command on a GPU and
# stored.
#
# **By what factor is the best rate of the MatMul-free model the larger one?**

# %%
predict("08.p4", "Its best rate, divided by the Transformer's:", unit="times")

# %%
rows = json.loads((DATA / "sweeps" / "learning_rates.json").read_text("utf-8"))
names = {"matmul_free": ("MatMul-free", style.BLUE), "transformer": ("Transformer++", style.ORANGE)}
lines, dots = {}, {}
for kind, (name, colour) in names.items():
    runs = [(row["trial"]["learning_rate"], row["held_out_nats"])
            for row in rows if row["trial"]["kind"] == kind]
    tried = sorted({rate for rate, _ in runs})
    by_rate = [float(np.mean([loss for rate, loss in runs if rate == at])) for at in tried]
    lines[name], dots[name] = (tried, by_rate, colour), tuple(map(list, zip(*runs, strict=True)))
best = {name: rates[nats.index(min(nats))] for name, (rates, nats, _) in lines.items()}
reveal("08.p4", best["MatMul-free"] / best["Transformer++"], unit="times (measured, 3 seeds each)")
title = "The ternary model wants a larger rate, and forgives a wrong one"
x, y = "learning rate at its peak", "held-out loss, nat per character"
picture(step_lines(lines, title, x, y, dots, logarithmic=True))

# %%
for name, (rates, nats, _) in lines.items():
    at = nats.index(min(nats))
    seeds = [loss for rate, loss in zip(*dots[name], strict=True) if rate == rates[at]]
    print(f"{name:14} best {nats[at]:.3f} nat at {rates[at]:g}, seeds {min(seeds)} to {max(seeds)}")
    print(f"{'':14} at four times that rate {nats[at + 2] - nats[at]:+.3f} nat (measured)")
assert best == {"MatMul-free": 0.004, "Transformer++": 0.002}

# %% [markdown]
# So the claim holds, with less of a gap than the paper's thirteen: a factor of 2, and at four times the best rate the
# ternary model loses 0.04 nat and the Transformer 0.15. Why? A float weight that is pushed too far is wrong by all of
# it. A trit can be wrong by one step.
#
# The MatMul-free model is also *ahead* here, by a tenth of a nat. Do not take that home: 600 updates are the very beginning,
# where a recurrence learns local habits sooner than attention does. After 5,000 (above) the two are level.
#
# %% [markdown]
# The first, obvious comparison would have been one rate for both, say 0.008. Then the gap is 0.25 nat, and it says
# nothing about models.
#
# ## What this leaves out
#
# * The paper halves its rate in mid-training as well, and its Transformer's rate ends at a tenth of the peak. We gave both
#   models the same schedule.
# * Weight decay, batch and betas were not tuned here: they are equal for both, which is not quite the same as fair.
# * Training multiplies: the two products of the way back have float gradients in them. MatMul-free is the model that comes
#   out, not the way there.
# * Flips were counted every 20 updates. A trit that flipped and came back in between was not seen.
# * One size, one text, 600 updates. Notebook 16 makes a fair sweep over sizes.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 09.

# %%
exit_ticket("08")

# %% [markdown]
# In one sentence, for yourself: what does the float behind a trit know that the trit does not?
#
# Next: [09 Long contexts](09_long_contexts.ipynb), where memory has a price.
