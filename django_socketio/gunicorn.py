"""The gunicorn worker that holds sockets: ``gunicorn -k django_socketio.gunicorn.Worker``."""

from django_socketio.server.gunicorn.worker import Worker

__all__ = ["Worker"]
