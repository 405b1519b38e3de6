"""What clients in other languages send, and Socket.IO's own server takes."""

from base64 import b64encode

import pytest

from django_socketio.events import on_event
from tests.clients import PollingClient

JAVA_MIME_LINE = 76


@pytest.fixture
def sizes():
    """Answer "size" with the number of bytes that came."""
    on_event("size")(lambda request, socket, context, data: len(data))


def java_base64(data):
    """Encode as the Java client does: lines of 76 characters, each with its line break."""
    text = b64encode(data).decode()
    lines = [text[i : i + JAVA_MIME_LINE] for i in range(0, len(text), JAVA_MIME_LINE)]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("size", [1, 2, 3, 56, 57, 58, 1000])
def test_binary_of_the_java_client_over_polling(server, sizes, size):
    client = PollingClient(server.port)
    client.connect()
    event = '451-7["size",{"_placeholder":true,"num":0}]'
    body = f"{event}\x1eb{java_base64(bytes(size))}"
    assert client.post(body.encode()) == (200, "ok")
    assert client.receive() == f"437[{size}]"
