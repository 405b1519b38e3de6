"""The numbers of the workers of one gunicorn, some of which do not tell theirs."""

import json
import socket
import threading

import pytest

from django_socketio.concurrency.native import get_hub_if_exists
from django_socketio.monitoring import neighbours
from django_socketio.monitoring.neighbours import Neighbours
from django_socketio.monitoring.process import process_name


@pytest.fixture
def asker(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "TIMEOUT", 10)
    asking = Neighbours(None)
    asking.open(tmp_path, "-0")
    yield asking
    asking.stop(0)


@pytest.fixture
def listener(tmp_path):
    """The socket of another worker."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s1"))
        listener.listen()
        yield listener


def others(asker, listener, answer):
    """Return the names of the other processes whose numbers are told, if one answers so."""

    def tell():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(answer)

    telling = threading.Thread(target=tell)
    telling.start()
    found = asker.stats()
    telling.join()
    return [one["process"] for one in found if one["process"] != process_name()]


def test_the_numbers_of_another_worker_are_told(asker, listener):
    answer = json.dumps({"process": "another"}).encode()
    assert others(asker, listener, answer) == ["another"]


@pytest.mark.parametrize("answer", [b"", b'{"process": "anoth', b"\xff"])
def test_a_worker_that_ends_while_it_answers_is_left_out(asker, listener, answer):
    assert others(asker, listener, answer) == []


def test_a_thread_without_neighbours_begins_no_event_loop():
    hubs = []

    def tell():
        assert len(Neighbours(None).stats()) == 1
        hubs.append(get_hub_if_exists())

    telling = threading.Thread(target=tell)
    telling.start()
    telling.join()
    assert hubs == [None]


def test_a_worker_that_hangs_is_left_out(asker, listener, monkeypatch):
    monkeypatch.setattr(neighbours, "TIMEOUT", 0.05)
    assert len(asker.stats()) == 1


def test_a_worker_that_starts_meanwhile_is_asked_once_it_listens(asker, tmp_path, monkeypatch):
    class Socket(neighbours.socket):
        def listen(self):
            assert len(asker.stats()) == 1
            super().listen()

    monkeypatch.setattr(neighbours, "socket", Socket)
    starting = Neighbours(None)
    starting.open(tmp_path, "-2")
    assert len(asker.stats()) == 2
    starting.stop(0)
    assert len(asker.stats()) == 1


def test_a_worker_that_was_killed_is_left_out_and_asked_no_more(asker, listener, tmp_path):
    listener.close()
    assert len(asker.stats()) == 1
    assert not (tmp_path / "s1").exists()
