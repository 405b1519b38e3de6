"""The handoff of a connection to the worker process that holds its session."""
