"""``socket.call``: handlers that wait for clients that do not answer hold no other handler up."""

import pytest
from gevent.event import Event

from django_socketio.events import on_event, on_message
from django_socketio.exceptions import CallTimeout
from tests.kit.clients import join
from tests.kit.waiting import wait_until


@pytest.fixture
def asking():
    """A handler that waits for its client's answer as long as that takes."""
    told = []

    @on_message
    def ask(request, socket, context, message):
        try:
            return socket.call("question", timeout=None)
        except CallTimeout as error:
            told.append(str(error))
            return "not answered"

    on_event("now")(lambda request, socket, context: "now")
    return told


def silent(server, number):
    """Connect clients that are asked and do not answer; return them."""
    clients = [join(server) for _ in range(number)]
    for client in clients:
        client.emit("message", id=1)
    for client in clients:
        assert client.receive() == '420["question"]'
    return clients


def test_silent_clients_stop_no_other_handler(serve, asking):
    server = serve(WORKERS=2)
    clients = silent(server, 7)
    for _ in range(3):
        assert join(server).ask("now") == ["now"]
    for client in reversed(clients):
        client.send('430["answer"]')
        assert client.receive() == '431["answer"]'


def test_only_so_many_handlers_wait_and_the_others_are_told(serve, asking):
    server = serve(WORKERS=2, MAX_WAITING_CALLS=3)
    clients = silent(server, 3)
    assert join(server).ask("message") == ["not answered"]
    assert asking == [
        "'question' was not sent: 3 handlers wait for answers of clients, which is the most that "
        "SOCKETIO_MAX_WAITING_CALLS allows"
    ]
    clients.pop().close()
    wait_until(lambda: server.socket_server.executor.stepped_out == 2)
    (other,) = silent(server, 1)
    other.send('430["answer"]')
    assert other.receive() == '431["answer"]'


def test_handlers_that_wait_for_something_else_are_not_among_them(serve, asking):
    server, done = serve(WORKERS=2, MAX_WAITING_CALLS=1), Event()

    @on_event("wait")
    def wait(request, socket, context):
        server.socket_server.executor.step_out(done.wait)

    waiting = [join(server) for _ in range(3)]
    for client in waiting:
        client.emit("wait", id=1)
    wait_until(lambda: server.socket_server.executor.stepped_out == 3)
    (client,) = silent(server, 1)
    assert join(server).ask("message") == ["not answered"]
    client.send('430["answer"]')
    assert client.receive() == '431["answer"]'
    server.call(done.set)
    for one in waiting:
        assert one.receive() == "431[null]"
