"""Single instructions of the processor inside compiled functions: one function an instruction."""
