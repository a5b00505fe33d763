"""Everything compiled, walled off: the same numbers as the textbook, sooner. The textbook never imports it."""
