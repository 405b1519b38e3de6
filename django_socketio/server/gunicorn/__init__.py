"""The gunicorn worker that holds sockets."""
