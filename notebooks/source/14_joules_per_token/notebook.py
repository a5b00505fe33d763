# %% [markdown] part="III Machine" build="the energy account"
# # 14 Joules per token
#
# **Claim.** At batch 1 nearly all energy goes into moving weights.
