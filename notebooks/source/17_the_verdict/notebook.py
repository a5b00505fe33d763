# %% [markdown] part="IV Judgement" build="a judgement that can be wrong"
# # 17 The verdict
#
# **Claim.** Each claim of the paper and of its critics has a verdict, and you have a score.
