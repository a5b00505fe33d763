"""One torch module a file."""
