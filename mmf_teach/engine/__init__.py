"""Everything compiled, walled off: the same numbers as the textbook, sooner. The textbook never imports it."""

from mmf_teach.engine import compilation_cache as compilation_cache  # before any module with a compiled function
