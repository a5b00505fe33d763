"""Questions put to the simulated cores: what is each change worth, and which design is best."""
