"""Memory behind a core, from one number to banks and rows: each answers when a byte that is asked for is there."""
