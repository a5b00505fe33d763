# %% [markdown] part="IV Judgement" build="fits, intervals, a posterior"
# # 15 Three points and a star
#
# **Claim.** The same three points put the crossing anywhere from near to never.
