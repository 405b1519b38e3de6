"""Servers of development that start again when code has changed."""

from tests.kit.clients import WebSocketClient


def check_reload(server, handlers):
    """Change the code of the fixture ``loud``: the sockets end, and others come to the same port.

    Args:
        server: a ``Runserver`` with the project of the handlers.
        handlers: the path of their module.

    """
    port = server.port
    client = WebSocketClient(port)
    client.connect()
    handlers.write_text(handlers.read_text().replace("'finished'", "'finished again'"))
    server.wait_for("gone: server shutting down\nfinished\n")
    assert client.is_closed()
    server.wait_for(r"Quit the server", count=2)
    assert server.port == port
    WebSocketClient(port).connect()
