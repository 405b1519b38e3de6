"""Scripts that publish through Redis: COMMAND URL SECONDS RATE (0: as fast as they can)."""
