"""Exercises: the engine that checks an answer, and one file of exercises a notebook. The library is the answer key."""
