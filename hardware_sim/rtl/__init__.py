"""The course core as a circuit, in Amaranth: one unit a file, and its co-simulation against the model."""
