"""Commands, and what authors and set-up need: build, guards, doctor."""
