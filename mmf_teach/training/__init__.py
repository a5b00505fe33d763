"""Text to train on, a schedule, the loop."""
