"""BitLinear when learning is over: norm, int8 codes, ternary product, two scales."""
