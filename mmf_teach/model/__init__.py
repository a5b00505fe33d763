"""The whole language model: sizes, assembly, text in, text out, files."""
