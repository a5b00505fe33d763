"""The arithmetic of ternary/fixed_point.py, compiled: the same whole numbers, a row at a time."""
