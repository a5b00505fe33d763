"""The textbook of the machine. Empty until Part III of the course."""
