"""The rivals: models of the same size and interface that do multiply matrices."""
