"""The recurrence of Mamba's layer, faster: compiled, doubling, and Triton for a GPU."""
