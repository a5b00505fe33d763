"""One folder an operation; naive.py says what it means, every other file is a faster way to the same result."""
