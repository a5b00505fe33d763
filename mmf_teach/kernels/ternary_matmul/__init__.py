"""Trits times integers."""
