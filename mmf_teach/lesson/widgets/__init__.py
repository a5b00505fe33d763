"""One question each: name.py owns the state, name.js draws it."""
