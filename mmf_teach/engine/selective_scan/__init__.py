"""The recurrence of Mamba's layer: naive, compiled, doubling, and triton for a GPU."""
