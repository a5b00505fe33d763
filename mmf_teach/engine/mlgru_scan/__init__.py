"""The recurrence of the token mixer: naive, compiled, doubling, chunked, and triton for a GPU."""
