# %% [markdown] part="III Machine" build="an RTL lane, simulated and synthesised"
# # 12 From gates up
#
# **Claim.** A ternary lane needs a fifth of the gates of an int8 lane.
