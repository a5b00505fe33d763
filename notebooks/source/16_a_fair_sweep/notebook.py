# %% [markdown] part="IV Judgement" build="a sweep, resumable, on one core or a cluster"
# # 16 A fair sweep
#
# **Claim.** Equal tuning decides who wins.
