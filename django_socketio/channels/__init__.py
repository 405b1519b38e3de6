"""Channels: their names, their members in this process, and publishing to them."""
