"""What the kernels reach on this machine, measured beside their roof and beside torch in the same run."""
