"""Pushing to sockets from anywhere: ``emit``, its audiences and its result."""
