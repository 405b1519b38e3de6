"""A server that answers each request with the same bytes."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

from django_socketio.diagnostics.address import Address

BEGIN = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def answering(*parts, pause=0.0):
    """Serve with the same answer to each request, and return the address.

    If ``pause`` is set, the last part is repeated after so many seconds: the answer never ends.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, parts, pause), daemon=True).start()
        yield Address.parse(f"http://127.0.0.1:{listener.getsockname()[1]}")


def _serve(listener, parts, pause):
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection, parts, pause), daemon=True).start()


def _answer(connection, parts, pause):
    with suppress(OSError), connection:
        connection.recv(10_000)
        for part in parts:
            connection.sendall(part)
        while pause:
            connection.sendall(parts[-1])
            time.sleep(pause)
