"""Timers, workers and threads on gevent. These modules know no socket and no protocol."""
