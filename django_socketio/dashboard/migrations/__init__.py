"""The migrations: none makes a table."""
