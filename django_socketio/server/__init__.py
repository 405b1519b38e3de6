"""The server: HTTP, WSGI and Django meet the Engine.IO server here."""
