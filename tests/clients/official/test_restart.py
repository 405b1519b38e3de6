"""A server that ends and starts again, as a reload does: its clients come back by themselves."""

import signal

import pytest

from tests.kit.programs import PATCHED, Runserver, free_port
from tests.kit.python_socketio import COMES_BACK, PythonClient

TRANSPORTS = ["websocket", "polling", "upgraded"]
AGAIN = {"reconnection": True, "reconnectionDelay": 10, "reconnectionDelayMax": 100}


@pytest.fixture
def start():
    """Start the tests' project on a port that stays the same."""
    port = free_port()
    programs = []

    def start():
        program = Runserver(f"127.0.0.1:{port}", "--noreload", "--skip-checks", python=PATCHED)
        programs.append(program)
        assert program.port == port
        return program

    yield start
    for program in programs:
        program.end()


@pytest.fixture
def pythons():
    """A client of python-socketio over each transport."""
    pythons = [PythonClient(transport, **COMES_BACK) for transport in TRANSPORTS]
    yield pythons
    for python in pythons:
        python.close()


def test_clients_come_back_after_a_restart(start, node, pythons):
    program = start()
    scripts = [node.connect(program, transport, **AGAIN) for transport in TRANSPORTS]
    for python in pythons:
        python.connect(program)
        python.wait_until_connected()
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    start()
    for script in scripts:
        assert script.next("disconnect")["comesBack"]
        script.wait_connected()
        assert script.ask("message-with-ack", 1) == [1]
    for python in pythons:
        assert python.ended.next() == python.client.reason.TRANSPORT_ERROR
        python.wait_until_connected()
        assert python.ask("message-with-ack", 1) == 1
