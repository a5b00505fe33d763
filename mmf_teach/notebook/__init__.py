"""For authors and set-up: build, doctor."""
