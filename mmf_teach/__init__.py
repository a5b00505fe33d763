"""The textbook of the model, in reading order: shapes, ternary, kernels, layers, model, training, cost."""
