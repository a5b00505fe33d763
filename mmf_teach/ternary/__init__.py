"""Numbers: trits, how to pack them, how to make them from floats."""
