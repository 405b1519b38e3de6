"""The processes of ``runserver_socketio``, which starts again when code changes."""
