"""The textbook of the machine: instruction sets, what they compute, and when they are done."""
