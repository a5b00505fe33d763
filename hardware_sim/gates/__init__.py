"""The circuits as gates: synthesis, toggles, proofs. Empty until notebook 12 moves in."""
