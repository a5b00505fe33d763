"""Counts what a forward pass really executes: every operation, by kind and by layer."""
