"""The protocols, sans I/O: bytes in, events and bytes out; no socket, clock, greenlet or Django."""
