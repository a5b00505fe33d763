"""Our core, compiled: values and cycles are those of its golden simulator and of the scoreboard."""
