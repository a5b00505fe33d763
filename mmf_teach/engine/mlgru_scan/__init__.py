"""The recurrence of the MLGRU, faster: compiled, doubling, chunked, and Triton for a GPU."""
