"""The recurrence of the token mixer: naive, compiled, doubling, and triton for a GPU."""
