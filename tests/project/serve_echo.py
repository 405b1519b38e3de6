"""Serve the raw echo to tools that judge WebSocket servers.

``python -m tests.project.serve_echo PORT``: they connect to ws://127.0.0.1:PORT/echo/socket.io, and
may send messages of up to 32 MB.
"""

import os
import sys

LIMIT = 32_000_000


def main(port):
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    from django_socketio.server.dev import DevelopmentServer

    settings.SOCKETIO_MAX_MESSAGE_SIZE = settings.SOCKETIO_MAX_UNSENT_BYTES = LIMIT
    settings.SOCKETIO_COMPRESSION_THRESHOLD = 1
    django.setup()
    server = DevelopmentServer(WSGIHandler(), "127.0.0.1", port)
    server.start()
    sys.stdout.write(f"ws://127.0.0.1:{server.port}/echo/socket.io\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()
    main(int(sys.argv[1]))
