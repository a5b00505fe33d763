"""Our core: a machine small enough to read and wide enough to run a whole MatMul-free model."""
