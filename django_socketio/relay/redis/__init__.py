"""The relay over one Redis, or over the primary that Sentinels name."""
