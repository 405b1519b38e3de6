"""A live page of the sockets in Django's admin: an app of its own.

INSTALLED_APPS = [..., "django_socketio", "django_socketio.dashboard"]
"""
