"""The recurrence of Mamba's layer: naive, compiled, and doubling for a GPU."""
