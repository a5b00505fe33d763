# %% [markdown] part="II Model" build="GLU, RMSNorm, the residual block"
# # 06 Mixing channels
#
# **Claim.** A gated unit and a norm are all the rest of a block.
#
# The token mixer of notebook 05 carries something from token to token, each feature for itself. Somebody must now
# combine the features of *one* token. That is the channel mixer's work, and it holds two thirds of the weights. Here
# you build it, the norm that it cannot do without, and the sum that holds a block together; then you take the trained
# model apart to see what each is good for.
#
# 60 to 90 minutes. It builds on [05 Memory without attention](05_memory_without_attention.ipynb).

# %%
import numpy as np
import torch

from mmf_teach.lesson import check, exit_ticket, parsons, predict, reveal, todo, use, warm_up
from mmf_teach.lesson import count_bars, letter_rows, picture, power_lines, style
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.traces import channel_mixer_trace, stream
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.reference.bit_linear import bit_linear
from mmf_teach.reference.rms_norm import EPSILON
from mmf_teach.ternary.quantise import absmax

# %% [markdown]
# ## Before you begin
#
# Five questions about earlier notebooks. Answer from memory; each choice tells you why.

# %%
warm_up("06")

# %% [markdown]
# ## A surprise first
#
# BitLinear begins with a norm: it divides each token by its size, and only then rounds it to int8 codes (notebook 03).
# Take the trained model and let it read 2,048 letters. Look at what enters its third block, and make the codes twice:
# with the norm and without.
#
# **What percentage of the codes differ?** Commit a guess, then run on.

# %%
predict("06.p1", "Codes that change when the norm is left out:", unit="%")

# %%
model, letters = load_model(SHIPPED_MODEL)
text = (DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8")[:2048]
tokens = letters.encode(text)
flows = [x[0].numpy() for x in stream(model, tokens)]     # what flows from mixer to mixer
entering = flows[4].astype(np.float64)
sizes = np.sqrt(np.square(entering).mean(axis=1, keepdims=True))
changed = (absmax(entering)[0] != absmax(entering / sizes)[0]).mean()
reveal("06.p1", round(100 * float(changed), 1), unit="% (counted)")

# %% [markdown]
# Not one. Then the norm could go? Take the norms out of all channel mixers of the model and read the same letters.
# As trained it has a loss of 1.21 nat per letter; knowing nothing is 4.17. **What is it without these norms?**

# %%
predict("06.p2", "Loss without the norms in the channel mixers:", unit="nat per letter")

# %%
from mmf_teach.model.ablation import PARTS, without
from mmf_teach.training.validation_loss import loss_nats

trained = loss_nats(model, tokens)
normless = loss_nats(without(model, "all norms of the channel mixer"), tokens)
assert round(trained, 2) == 1.21 and round(float(np.log(65)), 2) == 4.17
reveal("06.p2", round(normless, 2), unit="nat per letter (measured)")

# %% [markdown]
# The norm changes no code, and without it the model is ruined. Both have one reason, and you will have found it by the
# end of section 2.
#
# **What you will be able to do:** write RMSNorm and test any norm; write a gated unit and say what its gate does to a
# channel; say why it is 8d/3 wide; put a block together and run the trained model through it; and foretell how large
# the stream becomes over the blocks.

# %% [markdown]
# ## 1  The norm
#
# A token with two features, 3 and 4. The mean of the squares is (9 + 16) / 2 = 12.5, its root 3.54. Divided by it: 0.85
# and 1.13. Now ten times the token, 30 and 40: the root is 35.4, and out come 0.85 and 1.13 again. **The size is gone,
# the direction stays.**

# %%
for token in ([3.0, 4.0], [30.0, 40.0], [0.3, 0.4]):
    square = sum(value * value for value in token) / len(token)    # mean of the squares
    rms = square ** 0.5                                            # root
    print(token, f"rms {rms:.3f}:", [round(value / rms, 3) for value in token])

# %% [markdown]
# This is **RMSNorm**: root mean square. (LayerNorm, which is older, subtracts the mean first; it turned out that one
# can do without.) A token of zeros has no size, so a small number is added *under the root*: `EPSILON`, 0.000001.
#
# **Exercise 06.1** Write it for many tokens, one a row.

# %% solution="mmf_teach.reference.rms_norm:rms_norm"
def rms_norm(x):
    # mean of the squares, for each row
    # root
    todo("each token divided by its own size")

# %%
check("06.1", rms_norm)

# %% [markdown]
# Why did no code change? A code is the number divided by the largest in its token, times 127. Divide the whole token by
# 35.4: the largest shrinks as well, and the ratio is what it was. The size sits in the *scale* that goes with the codes,
# and comes back in the output. Here is a ternary layer, with and without a norm, for one token in three sizes:

# %%
rms_norm = use("06.1")
dice = np.random.default_rng(6)
token, trits = dice.normal(size=(1, 64)), dice.integers(-1, 2, (64, 64)).astype(np.int8)

def size_of(x):
    return float(np.sqrt(np.square(x).mean()))

for times in (0.01, 1, 100):
    codes, scale = absmax(times * token)
    plain = (codes.astype(int) @ trits.T) * scale
    normed = bit_linear(times * token, trits, 1.0)
    print(f"times {times:6}: output {size_of(plain):9.3f} without norm, {size_of(normed):.3f} with")

# %% [markdown]
# So the norm before each BitLinear fixes one thing: **the size of what comes out no longer depends on the size of what
# went in**. (7.594 instead of 7.634: that is `EPSILON`, which a token as small as 0.01 begins to feel.) Training,
# learning rate and fixed-point hardware all like to know a size beforehand.
#
# **Exercise 06.2** How would you catch a wrong norm? Write a test: it is handed `norm`, a function of an array of tokens,
# and returns True if it is an RMSNorm. The check tries your test on a right one and on eleven others.

# %% solution="exercises:is_rms_norm"
def is_rms_norm(norm):
    todo("tokens of your choice; what must be true of them afterwards?")

# %%
check("06.2", is_rms_norm)

# %%
is_rms_norm = use("06.2")
layer = model.blocks[0].channel_mixer.to_gate.norm

def torch_norm(x):
    return layer(torch.tensor(x).float()).numpy()

print("the norm of the trained model passes your test:", is_rms_norm(torch_norm))
print("LayerNorm passes it:", is_rms_norm(lambda x: rms_norm(x - x.mean(1, keepdims=True))))

# %% [markdown]
# ## 2  The gate
#
# A plain mixer would widen the token, bend each channel, and narrow it again. The **gated linear unit** widens it twice:
# one copy, *u*, is the content, the other, *g*, opens a gate for it, channel by channel.
#
# $$y = \big(\mathrm{silu}(x W_g) \odot x W_u\big)\, W_d, \qquad \mathrm{silu}(g) = g\,\sigma(g)$$
#
# By hand, a channel with the content 2:
#
# | g | σ(g) | silu(g) | what is let through |
# |---|---|---|---|
# | 4 | 0.98 | 3.93 | 7.86 |
# | 1 | 0.73 | 0.73 | 1.46 |
# | 0 | 0.50 | 0 | 0 |
# | -1 | 0.27 | -0.27 | -0.54 |
# | -6 | 0.0025 | -0.015 | -0.03 |
#
# Far below 0 the gate is shut. Far above, the content is multiplied by g itself. The gate decides *whether* and *how much*,
# for each token anew.

# %%
for g in (4.0, 1.0, 0.0, -1.0, -6.0):
    opened = g / (1 + np.exp(-g))
    print(f"g = {g:4}: silu {opened:6.3f}, content 2 becomes {2 * opened:6.3f}")

# %% [markdown]
# **Exercise 06.3** Write the unit. `to_gate`, `to_up` and `to_down` are functions: products with a matrix here, BitLinear
# soon.

# %% solution="mmf_teach.reference.glu:glu"
def glu(x, to_gate, to_up, to_down):
    todo("widen twice, gate, narrow")

# %%
check("06.3", glu)

# %% [markdown]
# What are the 352 channels of a trained block used for? Nobody told them. **Explore** the third block (number 2), channel
# 317. Type texts of your own. *What does this gate wait for? Then find one that waits for something else: block 0,
# channel 94, or block 1, channel 337.*

# %%
from mmf_teach.lesson import LetterTrace

LetterTrace(model, letters, inside="channels", block=2, feature=317)

# %% [markdown]
# The same without a widget, for one text.

# %%
said = "KATE:\nI know it; do you? No, sir: go!\n"
trace = channel_mixer_trace(model, letters.encode(said), 2)
rows = {name: [round(float(v), 2) for v in values[:, 317]] for name, values in trace.items()}
opens = {letter for letter, v in zip(said, rows["gate silu(g)"], strict=True) if v > 0.5}
assert opens <= set(":;,.?!") and len(opens) >= 4
title = "Block 2, channel 317: a gate that opens where a clause ends"
picture(letter_rows(said, rows, title, "gate, content and their product"))

# %% [markdown]
# A channel is a little detector: the gate says *now*, the content says *what*. Most gates are nearly shut most of the time:

# %%
trace = channel_mixer_trace(model, tokens, 2)
gates, products = trace["gate silu(g)"], np.square(trace["product"])
nearly_shut = (np.abs(gates) < 0.1).mean()
top = np.sort(products, axis=1)[:, -35:].sum() / products.sum()
assert 0.5 < nearly_shut < 0.7 and top > 0.85
print(f"{nearly_shut:.0%} of the gates are within 0.1 of shut (measured)")
print(f"a tenth of the channels carries {top:.0%} of the sum of squares of a token (measured)")

# %% [markdown]
# Now the reason for the surprise. **The gate multiplies two things that both grow with what enters.** Ten times the token,
# and gate and content are ten times as large: the product is a hundred times as large. A tenth of the token, and a
# hundredth is left. With such a map six blocks in a row either die out or blow up.
#
# Two norms forbid it: one before gate and up, one before down. Must both be there? And must it be a gate? Take out one part
# at a time. **Which of these does the trained model miss least?**

# %%
choices = ("the norms before gate and up", "the norm before down", "the gate: leave it open")
predict("06.p3", "The model does best without:", choices=choices)

# %%
from mmf_teach.lesson import bar

losses = {"as trained": trained}
for part in bar(PARTS, "taking apart"):
    losses[f"without {part}"] = loss_nats(without(model, part), tokens)
least = min(losses["without norm before down"], losses["without the gate (always open)"])
assert losses["without norms before gate and up"] < trained + 0.1 < 3 < least
reveal("06.p3", choices[0])
shown = {name: round(loss, 2) for name, loss in losses.items()}
colours = dict.fromkeys(shown, style.ORANGE) | {"as trained": style.BLUE}
title = "One norm is not missed, the other is what holds the model together"
picture(count_bars(shown, colours, title, "nat per letter (measured, nothing trained anew)"))

# %% [markdown]
# Without the norms before gate and up the loss hardly moves: in *this* model the stream happens to have a size near 1 there.
# The norm before down is another matter. Gates are nearly shut, so the products are small, some hundredths; the norm lifts them to
# a size that matters. And an open gate is as bad as no mixer at all: the multiplication *is* the computation.
#
# A relu in place of silu costs little. That is the curve; it is not the point.
#
# One caution: nothing was trained anew. A part that is missed was counted on; a model that never had it may have found
# another way.

# %% [markdown]
# ## 3  How wide?
#
# A plain mixer has two matrices, d to 4d and back: 2 · d · 4d = 8d² weights. A gated one has three. To be as large it must
# be narrower: 3 · d · l = 8d², so l = 8d/3. For d = 3 that is 8: 3 · 3 · 8 = 72 = 8 · 9. For d = 128 it is 341.3, and
# since hardware likes round numbers, l is rounded up to a multiple of 32: 352.
#
# **Exercise 06.4** Return l. Multiples of 8d/3 count as they are; all else goes up.

# %% solution="mmf_teach.model.config:inner_width"
def inner_width(width, step):
    todo("whole numbers will do")

# %%
check("06.4", inner_width)

# %%
inner_width = use("06.4")
for width, step in ((128, 32), (1024, 256), (2048, 256), (2560, 256)):
    inner = inner_width(width, step)
    tokens_part, channels_part = 4 * width**2, 3 * width * inner
    share = channels_part / (tokens_part + channels_part)
    print(f"d = {width:4}: l = {inner:4}, {share:.0%} of a block's weights mix channels (counted)")
block = model.blocks[0]
assert inner_width(128, 32) == block.channel_mixer.to_gate.trits.shape[0]

# %% [markdown]
# Two thirds of the weights, in every size of the paper. Whoever makes MatMul-free cheap must make *this* cheap; the memory
# of notebook 05 is the smaller part.
#
# ## 4  Adding
#
# A mixer does not replace the token, it *adds* to it. What flows from block to block is a sum, the **stream**, and every mixer
# reads it and writes into it.
#
# $$x \leftarrow x + \mathrm{mixer}(\mathrm{norm}(x))$$
#
# By hand: the stream is (30, 40), the norm gives (0.85, 1.13), a mixer that doubles writes (1.7, 2.26), and the stream goes on
# as (31.7, 42.26). The stream itself is never normed. That is why a block can be skipped, why gradients reach the first
# block unhindered, and why early blocks still count at the end.
#
# **Exercise 06.5** This code runs, and for a stream whose size is 1 it is even right. Put (30, 40) through it by hand, find the
# bug before you run the check, and mend it.

# %% solution="mmf_teach.reference.block:half_block"
def half_block(x, norm, mixer):
    """The stream, and added to it what the mixer makes of the normed stream."""
    x = norm(x)
    return x + mixer(x)

# %%
check("06.5", half_block)

# %% [markdown]
# In the paper's form each BitLinear brings its own norm, so a block needs no other. What is left of it is two sums.
#
# **Exercise 06.6** One token through a block. `token_mixer(x, h)` returns what it found and what it remembers. All lines
# are here, in the wrong order. Move them, then press *Check*.

# %%
parsons("06.6")

# %% [markdown]
# Now your parts against the library's. First your gated unit, with your ternary layers of notebook 03, against torch's on
# the trained weights. Then your block, six times, against the whole model: the same scores, to the last bit.

# %%
glu, block_step = use("06.3"), use("06.6")

def ternary(layer):
    return lambda x: bit_linear(x, layer.trits.numpy(), float(layer.scale))

mixer, x = model.blocks[2].channel_mixer, flows[5][:200]
by_numpy = glu(x, ternary(mixer.to_gate), ternary(mixer.to_up), ternary(mixer.to_down))
by_torch = mixer(torch.from_numpy(x)).detach().numpy()
print(f"NumPy and torch: {np.abs(by_numpy - by_torch).max() < 0.02 and 'agree'}")

state, mine = model.initial_state(1), model.initial_state(1)
with torch.no_grad():
    for letter in torch.from_numpy(tokens[:20]):
        scores, state = model.step(letter[None], state)
        x = model.embedding(letter[None])
        for n, block in enumerate(model.blocks):
            x, mine[n] = block_step(x, mine[n], block.token_mixer.step, block.channel_mixer)
        assert torch.equal(model.head(x), scores)
print("20 letters through your block, six times each: the scores of the model, bit for bit")

# %% [markdown]
# NumPy and torch add floats in another order, so now and then a product rounds to the next code; hence the tolerance. Your
# block calls the very same layers, hence none.
#
# ## How large does the stream become?
#
# Twelve additions. If they all pointed the same way, sizes would add up. If they knew nothing of one another they would stand at
# right angles, as good as, and then **squares** add up: 3 and 4 make 5.
#
# **Exercise 06.7** Return the sizes at the start and after each addition, if additions are independent.

# %% solution="mmf_teach.reference.block:stream_sizes"
def stream_sizes(start, added):
    todo("a list, one longer than `added`")

# %%
check("06.7", stream_sizes)

# %%
from itertools import pairwise

stream_sizes = use("06.7")

def sizes_along(a_model):
    found = [x[0].numpy() for x in stream(a_model, tokens[:512])]
    added = [size_of(after - before) for before, after in pairwise(found)]
    return [round(size_of(x), 3) for x in found], added

sizes, added = sizes_along(model)
independent = [round(size, 3) for size in stream_sizes(sizes[0], added)]
no_norms, _ = sizes_along(without(model, "all norms of the channel mixer"))

# %%
lines = {
    "trained": (sizes, style.BLUE),
    "if additions were independent": (independent, style.GREY),
    "trained, norms of the channel mixers taken out": (no_norms, style.VERMILION),
}
title = "The trained stream grows a little faster than by independent additions"
x_name = "mixers passed: 0 is the embedding, 12 the end"
y_name = "size (root mean square) of the stream, 512 letters (measured)"
picture(power_lines([*range(13)], lines, title, x_name, y_name, places=True))
assert sizes[-1] > independent[-1] > 1.2 * no_norms[-1]

# %% [markdown]
# The embeddings are tiny, 0.02: weight decay has shrunk them, and the first norm does not mind. Then each mixer adds something
# like 0.3, and the last one 1.0. Growth is slow: six blocks, and the stream is near 2. Every later mixer finds a larger
# stream and reads it normed, so what one addition weighs gets smaller from block to block.

# %% [markdown]
# ## The figure to remember
#
# What leaves the third block's channel mixer, against what enters. One stream, made a thousand times smaller up to a
# thousand times larger. The **baseline** is a plain mixer without gate or norms, which a matrix is: for each tenfold that
# enters, tenfold leaves. The **controls**: the same trained mixer without its norms, and an untrained one with them.

# %%
from mmf_teach.model.build import build

torch.manual_seed(6)
untrained = build(model.config).blocks[2].channel_mixer
normless = without(model, "all norms of the channel mixer").blocks[2].channel_mixer
factors = [10.0**power for power in range(-3, 4)]
x = torch.from_numpy(flows[5][:256])

@torch.no_grad()
def sizes_out(mixer):
    return [float(f"{size_of(mixer(factor * x).numpy()):.3g}") for factor in factors]

lines = {
    "trained, gate and norms": (sizes_out(mixer), style.BLUE),
    "untrained, gate and norms": (sizes_out(untrained), style.GREY),
    "trained, norms taken out": (sizes_out(normless), style.VERMILION),
}

# %%
def plain(x):
    return normless.to_down(normless.to_up(x))

lines["plain: no gate, no norms"] = (sizes_out(plain), style.ORANGE)
entering = [float(f"{factor * size_of(x.numpy()):.3g}") for factor in factors]
rise = np.log10(lines["trained, norms taken out"][0][-1] / lines["trained, norms taken out"][0][-2])
flat = lines["trained, gate and norms"][0]
assert max(flat) < 1.02 * min(flat) and 1.95 < rise < 2.05
title = "Gate without norm: a hundredfold for each tenfold. With it: always the same"
x_name = "size of what enters (root mean square)"
here = (entering[3], "as in the model")
picture(power_lines(entering, lines, title, x_name, "size of what leaves (measured)", here))

# %% [markdown]
# Flat lines: with its norms a mixer adds the same amount whatever the stream has grown to, trained or not. Without them the
# line rises at twice the slope of a matrix. That is the price of a gate, and the norm pays it.
#
# **A gated unit and a norm are all the rest of a block**: you ran the trained model through exactly these parts.

# %% [markdown]
# ## What this leaves out
#
# * The released code norms twice: once at the start of each half block and again in every BitLinear, with a learnt gain.
#   Notebook 07 measures what that changes.
# * Why a *product* of two maps is better than one wider map is known by trial, not by proof: Shazeer, who compared them
#   in 2020, offers no explanation.
# * Parts were taken out of one trained model. Training without a part is another experiment.
# * A norm needs squares, a root and a division for each token, and the gate a multiplication for each channel. These
#   are among the multiplications that remain; notebook 07 counts them all.
#
# ## To end
#
# Five questions about this notebook. Four right means you are ready for 07.

# %%
exit_ticket("06")

# %% [markdown]
# In one sentence, for yourself: why does a unit that multiplies need a norm more than one that only adds?
#
# Next: [07 A whole language model](07_a_whole_language_model.ipynb).
