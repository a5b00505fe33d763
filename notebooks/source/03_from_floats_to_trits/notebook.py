# %% [markdown] part="I Arithmetic" build="absmean, absmax, straight-through BitLinear"
# # 03 From floats to trits
#
# **Claim.** The mean of the weights makes a better scale than the largest, and one outlier shows why.
#
# Nobody writes trits by hand: they come from float weights. Here you turn floats into trits and 8-bit codes, see
# what is lost on the way, compare with one bit and with four, and train a layer through its own rounding. At the
# end stands BitLinear, the layer that the rest of the course is made of.
#
# 60 to 90 minutes. It builds on [02 Three values are enough](02_three_values_are_enough.ipynb).

# %%
import numpy as np
import torch

from mmf_teach.lesson import bar, check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import bits_and_error, count_bars, hint, rounding_lines, show, small_pictures
from mmf_teach.lesson import picture, style
from mmf_teach.lesson.figures.weight_histogram import Panel, weight_histograms
from mmf_teach.quantity import QuantityTable, load
from mmf_teach.ternary.formats import FORMATS
from mmf_teach.ternary.quantise import SMALLEST

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("03")

# %% [markdown]
# ## A surprise first
#
# Take 4,096 numbers from a bell curve, which is about what the weights of a trained layer look like. Divide all by
# the largest, so that they lie between -1 and 1, and round each to the nearest of -1, 0 and 1.
#
# **What percentage becomes 0?** Commit a guess, then run on.

# %%
predict("03.p1", "Zeros among 4,096 weights, scaled by the largest:", unit="%")

# %%
bell = np.random.default_rng(3).normal(size=(64, 64))
by_largest = np.rint(bell / np.abs(bell).max())
zeros_percent = 100 * float((by_largest == 0).mean())
assert 94 < zeros_percent < 96
reveal("03.p1", round(zeros_percent, 1), unit="% (counted)")

# %% [markdown]
# The largest of so many lies almost four standard deviations out. Half of that is further than nearly all others
# get, so they round to 0. The obvious scale leaves an almost empty matrix.
#
# **What you will be able to do:** turn weights into trits and activations into int8 codes, each with the right scale;
# say what share of the weights a rounding loses; place one bit, trits, int4 and FP4 on one chart; make a layer
# learn although rounding has no gradient; and write BitLinear as a product of integers with two scales.

# %% [markdown]
# ## 1  A scale for trits
#
# Four weights for a pencil: 0.5, -0.6, 0.4, and an outlier, 2.0. Their sizes have the mean 3.5 / 4 = 0.875.
#
# | weight | divided by the largest, 2.0 | rounds to | divided by the mean size, 0.875 | rounds to |
# |---|---|---|---|---|
# | 0.5 | 0.25 | 0 | 0.57 | 1 |
# | -0.6 | -0.30 | 0 | -0.69 | -1 |
# | 0.4 | 0.20 | 0 | 0.46 | 0 |
# | 2.0 | 1.00 | 1 | 2.29, clipped | 1 |
#
# With the largest as the scale one weight speaks and three are silent. With the mean, three speak.
#
# **A worked example** in one bit instead of three values: keep the sign of each weight, and one scale for all. The mean
# size is the scale that fits signs best. Note what comes out: codes and scale *apart*. Only their product is near
# the weights. And note how NumPy rounds what lies half-way: to the even neighbour, as everywhere in this course.

# %%
four = np.array([[0.5, -0.6, 0.4, 2.0]])
scale = np.abs(four).mean()                          # scale
signs = np.where(four < 0, -1, 1).astype(np.int8)    # round, to one of two values
assert round(scale, 3) == 0.875
print(f"{scale:.3f} times {signs}")
print("0.5, 1.5, 2.5 and -0.5 round to", np.rint([0.5, 1.5, 2.5, -0.5]))

# %% [markdown]
# **Exercise 03.1** Now with three values. Return the trits as int8 and their scale. Three steps are named; the
# smallest scale allowed is `SMALLEST`, 0.00001, so that a matrix of zeros divides by something.
#
# `hint("03.1")` gives one more hint each time; `show("03.1")` prints the library's answer.

# %% solution="mmf_teach.ternary.quantise:absmean"
def absmean(w):
    # scale
    # round
    # clip
    todo("trits, scale")

# %%
check("03.1", absmean)

# %% [markdown]
# How good is a rounding? Compare `scale * codes` with the weights, square what is missing, and divide by the squares of
# the weights. 0 is perfect, 1 means that nothing is left.
#
# **Exercise 03.2** Return that share. `scale` may be a number or an array that fits the codes; weights that are all
# zero lose nothing.

# %% solution="mmf_teach.ternary.rounding_error:lost_share"
def lost_share(w, codes, scale):
    todo("a sum of squares, divided by another")

# %%
check("03.2", lost_share)

# %%
absmean, lost_share = use("03.1"), use("03.2")
for name in ("trits, absmax", "trits, absmean", "trits, best"):
    trits, scale = FORMATS[name].quantise(bell)
    zeros, lost = 100 * (trits == 0).mean(), 100 * lost_share(bell, trits, scale)
    print(f"{name:14}  scale {scale:.2f}, {zeros:.0f} % zeros, {lost:.0f} % lost (measured)")

# %% [markdown]
# The last line is a baseline: of all trits and scales that exist, those with the smallest squared error. So the mean
# is far better than the largest, and not the best: 26 % lost against 19 %. Why do the papers use it all the same?
# It is one pass over the weights, and training, as you will see, makes up for much more than that.
#
# **Explore.** A histogram of 1,023 weights and one more that you can pull out. Grey bars become 0. *How far must you
# pull the one weight until the largest as a scale silences all others? What does the mean do meanwhile, and what
# happens to the outlier itself?* ("Flat" is how torch fills a new layer: all sizes equally likely.)

# %%
from mmf_teach.lesson.widgets.outlier import EDGES, Outlier, outlier_view

Outlier()

# %% [markdown]
# The same without a widget: the bell curve, without an outlier and with one that is 12 times the mean size.

# %%
panels = []
for rule in ("trits, scale = largest", "trits, scale = mean"):
    for size in (1, 12):
        view = outlier_view("bell curve", rule, size)
        name = f"{rule[7:]}, {'no outlier' if size == 1 else f'outlier {size}'}"
        said = f"{view.zero_percent:.0f} % zeros, {view.lost_percent:.0f} % lost"
        panels.append(Panel(name, view.bins, view.threshold, said))
assert panels[1].threshold == 6 and panels[3].threshold < 0.52
title = "One outlier moves the thresholds of the largest off the picture"
picture(weight_histograms(panels, EDGES, title, "weight, in multiples of the others' mean size"))

# %% [markdown]
# ## The figure to remember
#
# A new layer's matrix, 64 by 64, all sizes equally likely up to 1. One weight of the 4,096 grows. What is lost of
# each output, on average over the 64? The dotted line is the control: the largest as a scale, but *no* outlier.

# %%
flat = np.random.default_rng(4).uniform(-1, 1, size=(64, 64))
flat /= np.abs(flat).max()
def lost_per_output(size, name):
    w = flat.copy()
    w[20, 30] = size
    trits, scale = FORMATS[name].quantise(w)
    rows = [lost_share(w[i : i + 1], trits[i : i + 1], scale) for i in range(len(w))]
    return round(100 * float(np.mean(rows)), 1)
sizes = [1, 1.5, 2, 3, 4, 6, 8, 12, 16]
names = ["trits, absmax", "trits, absmean", "trits, best"]
lines = {name: [lost_per_output(size, name) for size in sizes] for name in names}
assert lines["trits, absmax"][2] > 99 and max(lines["trits, absmean"]) < 17
control = ("absmax, no outlier", lost_per_output(flat[20, 30], "trits, absmax"))
title = "One weight twice as large as any other, and absmax has lost every output"
x, y = "size of one weight; all others are 1 at most", "lost, % of an output, mean of 64"
shades = [style.VERMILION, style.BLUE, style.GREEN]
picture(rounding_lines(sizes, lines, shades, control, title, x, y))

# %% [markdown]
# At twice the size of the others, one weight of 4,096 costs absmax everything. Absmean does not notice. A second
# control: where all weights have the same size there is nothing to choose, and both rules must be exact.
#
# The mean has its price: the outlier itself becomes 1 like any large weight, and its own output suffers. Counted over
# *all* weights in one sum, a huge outlier outweighs the rest, and then keeping it alone is the smaller error:

# %%
same_size = np.where(flat < 0, -1.0, 1.0)
assert all(lost_share(same_size, *FORMATS[name].quantise(same_size)) == 0 for name in names)
for size in (2, 16, 64):
    w = flat.copy()
    w[20, 30] = size
    lost = [100 * lost_share(w, *FORMATS[name].quantise(w)) for name in names[:2]]
    print(f"outlier {size:2}: absmax {lost[0]:4.1f} %, absmean {lost[1]:4.1f} % lost (measured)")

# %% [markdown]
# So "better" means better for the 63 outputs without the outlier. Say which error you mean before you compare.
#
# ## 2  A scale for activations
#
# Activations are rounded too, to the 255 whole numbers from -127 to 127. Go back to the widget and choose int8: with so
# many codes the largest is a fine scale, and no outlier need be clipped. Each *token* has its own, for it is
# computed when the token comes by.
#
# **Exercise 03.3** A blank page. Each row of `x` is a token. Return the codes as int8 and a column of scales, so
# that `scale * codes` is near `x`. Clip to int8's own ends, -128 and 127. `SMALLEST` is the floor under the
# largest size.

# %% solution="mmf_teach.ternary.quantise:absmax"
def absmax(x):
    todo("codes, scales")

# %%
check("03.3", absmax)

# %%
absmax = use("03.3")
tokens = np.random.default_rng(5).normal(size=(3, 512))
tokens[1, 7] = 40.0
codes, scales = absmax(tokens)
for row in range(3):
    lost = 100 * lost_share(tokens[row], codes[row], scales[row])
    print(f"token {row}: largest {np.abs(tokens[row]).max():4.1f}, {lost:.3f} % lost (measured)")

# %% [markdown]
# The outlier makes one token a hundred times worse, and it is still less than 1 %. Its neighbours do not notice.
#
# ## 3  One bit, trits, four bits
#
# Trits are not alone. **int4** has the whole numbers from -8 to 7. **FP4** spends its four bits as a float does: one
# for the sign, two for the exponent, one for the mantissa (E2M1). Its codes 0 to 7 stand for 0, 0.5, 1, 1.5, 2, 3, 4 and
# 6: dense near zero, where most weights are. In the MX standard 32 weights share a scale, a power of two of 8 bits:
# 4 + 8/32 = 4.25 bits a weight. (NVIDIA's own NVFP4 has blocks of 16 and finer scales.)
#
# **Exercise 03.4** Rounding to these magnitudes, half-way to the even *code*. All lines are here, in the wrong order.
# Move them, then press *Check*.

# %%
parsons("03.4")

# %% [markdown]
# **Exercise 03.5** For int4, somebody gave scales to a matrix whose rows each make one output. The code runs, and the
# error it leaves is small. But no product of integers can use it. Multiply out a row by hand, find the bug before you
# run the check, and mend it.

# %% solution="mmf_teach.ternary.int4:int4"
def int4(w):
    """Codes from -8 to 7, and scales such that w is near scale * codes."""
    largest = np.abs(w).max(axis=0, keepdims=True)
    scale = np.maximum(largest / 7, SMALLEST)
    return np.clip(np.rint(w / scale), -8, 7).astype(np.int8), scale

# %%
check("03.5", int4)

# %% [markdown]
# Now all formats on the same weights, three kinds of them: the bell curve; a small dense Transformer, trained on
# Shakespeare; and the embedding of the model that comes with the course, which it keeps in floats.

# %%
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.rounded import matrices, rounded
from mmf_teach.paths import DATA, SHIPPED_MODEL

dense, letters = load_model(DATA / "checkpoints" / "dense_small")
dense_weights = [layer.weight.detach().numpy() for layer in matrices(dense)]
embedding = load_model(SHIPPED_MODEL)[0].embedding.weight.detach().numpy()
kinds = {"bell curve": [bell], "dense Transformer": dense_weights, "shipped embedding": [embedding]}
points = {
    kind: {name: form.bits_and_percent_lost(weights) for name, form in FORMATS.items()}
    for kind, weights in kinds.items()
}
assert FORMATS["FP4"].bits(64, 64) == 4.25
sides = dict(zip(FORMATS, ["above", "right", "right", "right", "left", "right"], strict=True))
title = "Trits lose a quarter, four bits a hundredth; the largest as a scale loses nearly all"
picture(bits_and_error(points, sides, title))

# %% [markdown]
# The three kinds of weights lie close together: the bell curve is a good model of a trained layer. And no format comes
# below the dotted bound, which holds for whatever packing anybody may invent.
#
# What does it do to a model? The dense Transformer reads a letter of held-out Shakespeare with a loss of 1.44 nat.
# If all 65 letters were equally likely, it would be 4.17 nat. **Round all its matrices to trits with absmean, train
# nothing. What is the loss?**

# %%
predict("03.p2", "Loss of the dense model rounded to trits by absmean:", unit="nat per letter")

# %%
import json

from mmf_teach.training.validation_loss import loss_nats

text = (DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8")
tokens = letters.encode(text)
losses = {"as trained": loss_nats(dense, tokens)}
for name, form in FORMATS.items():
    losses[name] = loss_nats(rounded(dense, form.quantise), tokens)
reveal("03.p2", round(losses["trits, absmean"], 2), unit="nat per letter (measured)")
for name, loss in losses.items():
    print(f"{name:14}  {loss:.2f} nat per letter (measured, {len(text):,} letters)")

# %% [markdown]
# Trits put in afterwards ruin it, and by absmax it is worse than knowing nothing. Even the trits with the smallest
# error do not help. Yet four bits cost less than a tenth of a nat, *without any training*. Whoever compares with ternary models
# must compare with that.
#
# Can trits be had at all? The shipped model was *trained* with trits in all its matrices. Its dense twin has the same
# size and was tuned with as many trials. (They differ in more than the format: one has no attention.)

# %%
ternary = json.loads((SHIPPED_MODEL / "training.json").read_text("utf-8"))["held_out_nats"]
twin = json.loads((DATA / "sweeps" / "shakespeare_transformer.json").read_text("utf-8"))
cost = {name: loss - losses["as trained"] for name, loss in losses.items()}
assert round(losses["as trained"], 2) == 1.44 and round(np.log(65), 2) == 4.17
assert max(cost["int4"], cost["FP4"]) < 0.1 and cost["trits, absmean"] > 1.7
print(f"put in afterwards, trits cost {cost['trits, absmean']:.2f} nat per letter (measured)")
print(f"trained with trits {ternary:.3f}, dense twin {twin['held_out_nats']:.3f} nat (measured)")

# %% [markdown]
# ## 4  Learning through a rounding
#
# How can a model be trained with something that has no slope? Rounding is a staircase: flat nearly everywhere.

# %%
w = torch.tensor([0.3, -0.8, 1.7], requires_grad=True)
w.round().sum().backward()
w.grad

# %% [markdown]
# The remedy is a lie that works: forwards round, backwards pretend that nothing was rounded. It is called the
# **straight-through estimator**. The float weights stay; gradients push them; now and then one crosses a threshold and
# its trit flips.
#
# **Exercise 03.6** Return a tensor with the value of `rounded`, whose gradient goes to `x` unchanged. One line of
# arithmetic with `.detach()` will do, or a `torch.autograd.Function`.

# %% solution="mmf_teach.layers.straight_through:straight_through"
def straight_through(x, rounded):
    todo("the value of one, the gradient of the other")

# %%
check("03.6", straight_through)

# %% [markdown]
# With it a ternary product is three lines. Its gradients must be those of the library's `TernaryProduct`, which writes
# the same out by hand.

# %%
from mmf_teach.layers import bit_linear as layer
from mmf_teach.reference.rms_norm import rms_norm
from mmf_teach.reference.ternary_matmul import ternary_matmul

straight_through = use("03.6")

def ternary_product(x, w):
    (codes, x_scale), (trits, w_scale) = layer.absmax(x), layer.absmean(w)
    return straight_through(x, x_scale * codes) @ straight_through(w, w_scale * trits).T

dice = torch.Generator().manual_seed(0)
x = torch.randn(5, 16, generator=dice)
own, theirs = (torch.tensor(bell[:8, :16], dtype=torch.float32, requires_grad=True) for _ in "ab")
ternary_product(x, own).square().sum().backward()
layer.TernaryProduct.apply(x, theirs).square().sum().backward()
print("gradients agree:", torch.allclose(own.grad, theirs.grad, rtol=1e-4, atol=1e-4))

# %% [markdown]
# Now something to learn: two matrices shall tell ten digits apart, shifted and noisy, 8 by 8 pixels. Four ways, with
# the same beginning, data and number of steps:
#
# * **dense**: floats all the way;
# * **rounded after**: the dense one, its weights made trits when training is over;
# * **trained with trits**: straight through;
# * **true gradient**: trits and codes as well, but with the gradient that rounding really has. This is the control.
#
# Guessing gets 10 % of the digits right. **What does the true gradient get?**

# %%
from mmf_teach.training.classifier import accuracy, fit
from mmf_teach.training.digits import digits

practice, unseen = digits(4000, seed=1), digits(2000, seed=2)
shown = [int(np.flatnonzero(practice[1] == value)[0]) for value in range(10)]
drawings = [practice[0][at].reshape(8, 8).round(2).tolist() for at in shown]
what = "digits of 8 by 8 pixels, shifted and noisy"
picture(small_pictures(drawings, [str(v) for v in range(10)], "What the two matrices see", what))

# %%
predict("03.p3", "Digits right, trained with the true gradient of rounding:", unit="%")

# %%
def dense_product(x, w):
    return x @ w.T

def rounded_product(x, w):
    trits, scale = layer.absmean(w)
    return x @ (scale * trits).T

def true_gradient(x, w):
    (codes, x_scale), (trits, w_scale) = layer.absmax(x), layer.absmean(w)
    return (x_scale * codes) @ (w_scale * trits).T

right = {"dense": [], "rounded after": [], "trained with trits": [], "true gradient": []}
for seed in bar(range(3), "training"):
    floats = fit(*practice, dense_product, seed=seed)
    right["dense"].append(accuracy(*unseen, floats, dense_product))
    right["rounded after"].append(accuracy(*unseen, floats, rounded_product))
    trained = {"trained with trits": ternary_product, "true gradient": true_gradient}
    for name, product in trained.items():
        right[name].append(accuracy(*unseen, fit(*practice, product, seed=seed), product))

# %% tags=["measured"]
percent = {name: round(100 * float(np.mean(of))) for name, of in right.items()}
reveal("03.p3", percent["true gradient"], unit="% (measured, mean of 3 runs)")
for name, of in right.items():
    print(f"{name:18} {min(of):.1%} to {max(of):.1%} right (measured, 3 runs)")
assert max(right["true gradient"]) < 0.2 < 0.5 < max(right["rounded after"])
assert min(right["trained with trits"]) > max(right["rounded after"])
colours = dict(zip(percent, [style.PURPLE, style.ORANGE, style.BLUE, style.GREY], strict=True))
title = "Training with the rounding in place beats rounding afterwards"
picture(count_bars(percent, colours, title, "% of unseen digits right (measured, mean of 3 runs)"))

# %% [markdown]
# The control learns next to nothing: whatever the straight-through estimator is, it is what makes the difference. Trits trained
# in place lose some points to floats; put in afterwards they lose several times as many.
#
# ## 5  BitLinear
#
# All parts are there. At use, float weights are gone: trits, one scale, and tokens that come in as floats. A norm first
# brings each token to the same size (notebook 06). Then every sum is of integers, and floats return at the end:
#
# $$y = \big(\underbrace{C \cdot T^\top}_{\text{integers}}\big)\; s_x\, s_w$$
#
# **Exercise 03.7** Write it. `rms_norm` is given, and `ternary_matmul` is the one of notebook 02.

# %% solution="mmf_teach.reference.bit_linear:bit_linear"
def bit_linear(x, trits, w_scale):
    todo("norm and codes, sums of integers, both scales")

# %%
check("03.7", bit_linear)

# %% [markdown]
# Three ways to the same integers should agree to the last bit: plain Python, one number at a time; NumPy; and the torch
# layer that trains.

# %%
bit_linear = use("03.7")
x, w = np.round(bell[:2, :8], 1), np.round(bell[2:5, :8], 1)
(codes, x_scale), (trits, w_scale) = absmax(x), absmean(w)

by_hand = [[sum(
    round(value * 127 / max(map(abs, token))) * max(-1, min(1, round(weight / np.abs(w).mean())))
    for value, weight in zip(token, row, strict=True))
    for row in w.tolist()] for token in x.tolist()]
by_numpy = ternary_matmul(codes.astype(np.int8), trits.astype(np.int8))
x_torch, w_torch = torch.tensor(x).float(), torch.tensor(w).float()
by_torch = layer.absmax(x_torch)[0] @ layer.absmean(w_torch)[0].T
assert by_hand == by_numpy.tolist() == by_torch.tolist()

torch_layer = layer.BitLinear(8, 3)
torch_layer.weight.data = w_torch
same = np.allclose(bit_linear(x, trits, w_scale), torch_layer(x_torch).detach(), rtol=1e-5)
print(by_numpy, "with norm and scales, the layers agree:", same, sep="\n")

# %% [markdown]
# ## Who had it first, and who is ahead
#
# None of this is new. Signs with a mean scale and trits trained straight through were published in 2015 and 2016, for
# pictures (BinaryConnect, XNOR-Net, Ternary Weight Networks, TTQ). New since 2023 is that large *language* models learn
# that way. How well? Two groups, two answers:

# %%
quoted = load("../quality/low_bits")
gaps = []
for size in ("700m", "3b"):
    trits_read, floats_read = quoted[f"bitnet_ternary_{size}"], quoted[f"bitnet_float_{size}"]
    gaps.append(np.log(trits_read.value / floats_read.value))
    print(f"BitNet, {size}: ternary {gaps[-1]:+.3f} nat per token against float (quoted)")
assert gaps[0] > 0 > gaps[1] and quoted["spectra_ternary_over_float_for_ever"].value > 0
QuantityTable(quoted)

# %% [markdown]
# In BitNet's runs trits overtake floats between these two sizes. In Spectra's, with nine sizes, they never do. Both agree
# that one bit is clearly worse than trits. Part IV weighs such evidence.
#
# The last three lines are the real rival. It is not the 16-bit float: chips now multiply FP4 by themselves, four times as
# fast as bf16, and nobody needs to train anew for it.

# %% [markdown]
# ## What this leaves out
#
# * Papers differ. Absmax for *weights* is not BitNet b1.58. Ternary Weight Networks put the threshold at 0.7 of the
#   mean size and fit the scale to what is left; TTQ uses 0.05 of the *largest* and learns two scales.
# * One scale a matrix is the paper's choice. A scale for each row or block contains an outlier, and costs bits and
#   multiplications.
# * Some estimators stop the gradient where a weight was clipped. The paper's, and ours, lets it through.
# * The dense model was rounded plainly. Methods that look at activations or adjust the other weights lose less.
# * Two small models, one text, ten digits: the order of the formats is general, the distances are not.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 04.

# %%
exit_ticket("03")

# %% [markdown]
# In one sentence, for yourself: what does the mean keep that the largest gives up, and what does it give up instead?
#
# Next: [04 Fast kernels](04_fast_kernels.ipynb), where the sums of integers get fast.
