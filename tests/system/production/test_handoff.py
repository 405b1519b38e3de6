"""Any worker may get any request: it hands it to the worker that holds the session."""

import contextlib
import json
import os
import random
import re
import resource
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from django_socketio.server.deadlines import DROP_UNSENT
from tests.kit.clients import PollingClient, WebSocketClient, join
from tests.kit.frames import TEXT, sent
from tests.kit.http import (
    HANDSHAKE,
    TIMEOUT,
    UPGRADE,
    close_all,
    close_later,
    get,
    raw_request,
    request,
    response,
)
from tests.kit.servers import Gunicorn
from tests.kit.waiting import wait_until

CLIENTS = 24
HOST = b"Host: localhost\r\n"


def post(path, body, *fields):
    """Return a POST as bytes."""
    length = f"Content-Length: {len(body)}\r\n".encode()
    return b"POST %s HTTP/1.1\r\n%s%s%s\r\n%s" % (
        path.encode(), HOST, length, b"".join(f.encode() + b"\r\n" for f in fields), body
    )  # fmt: skip


class Raw:
    """One HTTP connection that stays open."""

    def __init__(self, port):
        self.connection = raw_request(port, b"")

    def ask(self, request):
        self.connection.sendall(request)
        return response(self.connection)

    def get(self, path):
        return self.ask(b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), HOST))

    def event(self, session, *event):
        """Send an event and return the arguments of its answer."""
        assert self.ask(post(session, b"420" + json.dumps(event).encode())) == (200, "ok")
        status, body = self.get(session)
        assert (status, body[:3]) == (200, "430"), body
        return json.loads(body[3:])


def sessions_of_all_workers(server):
    """Return the paths of sessions, one or more of each worker."""
    paths, owners = [], set()
    while len(owners) < server.workers:
        client = PollingClient(server.port)
        client.send("40")
        assert client.request("GET", client.path)[1].startswith("40{")
        paths.append(client.path)
        owners.add(client.sid.rpartition(".")[2])
        assert len(paths) < 500
    return paths


@pytest.fixture(scope="module")
def several():
    """A gunicorn with 3 workers for tests that do it no harm."""
    server = Gunicorn(workers=3)
    yield server
    close_all()
    server.end()


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A gunicorn with one worker, whose sockets are in ``folder``."""
    path = tmp_path_factory.mktemp("sockets")
    server = Gunicorn("--worker-tmp-dir", str(path))
    (server.folder,) = path.iterdir()
    yield server
    close_all()
    server.end()


def test_one_connection_speaks_to_sessions_of_all_workers(several):
    sessions = sessions_of_all_workers(several)
    connection = Raw(several.port)
    pids = {}
    for number in range(50):
        session = random.choice(sessions)
        assert connection.event(session, "message", number) == [number]
        (seen,) = connection.event(session, "seen")
        assert seen == {
            "pid": pids.setdefault(session, seen["pid"]),
            "address": "127.0.0.1",
            "host": f"127.0.0.1:{several.port}",
            "scheme": "http",
        }
    assert connection.get("/seen/")[0] == 200
    assert "handed off cannot be used" not in several.output


@pytest.mark.parametrize("keep", [True, False], ids=["keep-alive", "close"])
def test_many_clients_poll_over_any_connections(several, keep):
    def talk(number):
        client = PollingClient(several.port, {} if keep else {"Connection": "close"})
        client.connect()
        for turn in range(5):
            assert client.ask("message", [number, turn]) == [[number, turn]]
        client.abandon()
        return client.sid.rpartition(".")[2]

    with ThreadPoolExecutor(20) as pool:
        owners = set(pool.map(talk, range(25)))
    assert len(owners) > 1


def test_large_bodies_that_come_bit_by_bit_arrive_whole(several):
    sessions = sessions_of_all_workers(several)
    connection = Raw(several.port)
    for session in sessions:
        message = "ž" * 400_000
        body = b"420" + json.dumps(["length", message], ensure_ascii=False).encode()
        request = post(session, body)
        for cut in (request[:150], request[150:9_000], request[9_000:]):
            connection.connection.sendall(cut)
        assert response(connection.connection) == (200, "ok")
        assert connection.get(session) == (200, "430[400000]")


def test_chunked_bodies_arrive_whole(several):
    sessions = sessions_of_all_workers(several)
    connection = Raw(several.port)
    for session in sessions:
        body = b'420["length","' + b"x" * 300_000 + b'"]'
        chunks = [body[at : at + 7_001] for at in range(0, len(body), 7_001)]
        head = f"POST {session} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        assert connection.ask(head.encode() + framed + b"0\r\n\r\n") == (200, "ok")
        assert connection.get(session) == (200, "430[300000]")


def test_a_body_that_waits_for_100_continue(several):
    connection = Raw(several.port)
    for session in sessions_of_all_workers(several):
        head, _, body = post(session, b'420["length","abc"]', "Expect: 100-continue").partition(
            b"\r\n\r\n"
        )
        connection.connection.sendall(head + b"\r\n\r\n")
        assert connection.connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.ask(body) == (200, "ok")
        assert connection.get(session) == (200, "430[3]")


def test_requests_that_follow_at_once_are_not_lost(several):
    connection = Raw(several.port)
    sessions = sessions_of_all_workers(several)
    requests = [post(session, b'420["message",1]') for session in sessions]
    connection.connection.sendall(b"".join(requests))
    received = b""  # several answers may come at once
    while received.count(b"\r\n\r\nok") < len(requests):
        data = connection.connection.recv(65_536)
        assert data
        received += data
    assert received.count(b"HTTP/1.1 200 ") == len(requests)


def test_large_and_odd_heads_are_handed_off_as_they_came(several):
    connection = Raw(several.port)
    fields = [f"X-Field-{number}: {'y' * 6_000}" for number in range(10)]
    for session in sessions_of_all_workers(several):
        assert connection.ask(post(session, b'420["message",1]', *fields)) == (200, "ok")


def test_upgrade_with_frames_in_the_same_segment(several):
    for session in sessions_of_all_workers(several):
        path = session.replace("polling", "websocket")
        upgrade = request({"Host": "localhost", **UPGRADE}, path=path)
        frames = sent(TEXT, b"2probe") + sent(TEXT, b"5") + sent(TEXT, b'420["message",7]')
        connection = raw_request(several.port, upgrade + frames)
        with connection.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
            while answer.readline() != b"\r\n":
                pass
            assert answer.read(8) == b"\x81\x063probe"
            assert answer.read(8) == b"\x81\x06430[7]"


def test_upgrades_over_any_connection(several):
    for number in range(10):
        upgraded = join(several, kind=PollingClient).upgrade()
        assert upgraded.ask("message", number) == [number]
        upgraded.close()


def test_official_clients_over_all_transports(several, node):
    transports = ["websocket", "polling", "upgraded", "polling"]
    sockets = [node.socket(several, transports[number % 4]) for number in range(CLIENTS)]
    for client in sockets:
        client.wait_connected()
    for client in sockets[2::4]:
        assert client.next("upgrade") == {"transport": "websocket"}
    for number, client in enumerate(sockets):
        client.do("ask", event=["message", number])
    assert [client.next("answer")["args"] for client in sockets] == [[n] for n in range(CLIENTS)]
    assert not any(client.has("disconnect") for client in sockets)


def watched(pid):
    """Return the descriptors that the event loops of a process watch, and those that it has."""
    folder = Path(f"/proc/{pid}")
    links = {int(fd.name): os.readlink(fd) for fd in (folder / "fd").iterdir()}
    loops = [fd for fd, link in links.items() if link == "anon_inode:[eventpoll]"]
    told = "".join((folder / "fdinfo" / str(fd)).read_text() for fd in loops)
    return [int(fd) for fd in re.findall(r"^tfd:\s*(\d+)", told, re.MULTILINE)], set(links)


def watches_what_it_has(pid):
    """Whether event loops watch each descriptor once, and none that is closed.

    Connections of other tests may come and go meanwhile.
    """
    try:
        descriptors, existing = watched(pid)
    except FileNotFoundError:
        return False
    return len(descriptors) == len(set(descriptors)) and set(descriptors) <= existing


def test_event_loops_forget_connections_that_went_away(several):
    # Or each of them costs a new epoll set, when something comes on the connection.
    connection = Raw(several.port)
    for session in sessions_of_all_workers(several) * 3:
        assert connection.event(session, "message", 1) == [1]
    clients = []
    for _ in range(10):
        waiting = raw_request(several.port, b"")
        assert connection.get("/seen/")[0] == 200  # by now the server waits for the first line
        clients.append(WebSocketClient(several.port, socket=waiting))
    for pid in several.pids:
        wait_until(lambda pid=pid: watches_what_it_has(pid), lambda pid=pid: watched(pid))


@pytest.mark.parametrize(
    "owner", ["00000000", "../../../../tmp/socket", "%2e%2e", "", "0000000g", "000000000"]
)
def test_an_owner_that_is_not_there(several, owner):
    status, answer = get(several.port, f"{HANDSHAKE}&sid=abcdefghij.{owner}")
    assert (status, answer["code"]) == (400, 1)
    assert "over, or belongs to another host" in answer["message"]
    assert "abcdefghij" not in several.output


def refuse(listener):
    connection, _ = listener.accept()
    connection.close()


@contextlib.contextmanager
def owner_at(path):
    """Listen where the worker would that a session names."""
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
        owner.listen()
        yield owner
    path.unlink()


def test_an_owner_that_does_not_take_a_connection(single):
    with owner_at(single.folder / "0badbeef") as owner:
        refuses = ThreadPoolExecutor(1).submit(refuse, owner)
        path = f"{HANDSHAKE}&sid=abcdefghij.0badbeef"
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
        connection = raw_request(single.port, head.encode())
        refuses.result(TIMEOUT)
        connection.sendall(b"4hell")
        assert response(connection)[0] == 400
        connection.sendall(f"GET {HANDSHAKE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert response(connection)[0] == 200
    assert "Traceback" not in single.output


def open_descriptors(pid):
    """Return how many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def leave_descriptors(pid, count):
    """Have a process run out of descriptors once it has as many more."""
    used = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    free = [number for number in range(len(used) + 2) if number not in used]
    _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[count], most))


def test_a_session_is_not_unknown_where_its_worker_cannot_be_asked(single):
    connection, path = Raw(single.port), f"{HANDSHAKE}&sid=abcdefghij.0badbeef"
    assert connection.get(path)[0] == 400
    limits = resource.prlimit(single.pids[0], resource.RLIMIT_NOFILE)
    leave_descriptors(single.pids[0], 0)
    try:
        assert connection.get(path)[0] == 503
    finally:
        resource.prlimit(single.pids[0], resource.RLIMIT_NOFILE, limits)
    single.wait_for("session abcd… could not be handed to its worker .503.: .*Too many open files")


def take(listener):
    """Take a connection that a worker hands off, as its owner; return the descriptor."""
    connection, _ = listener.accept()
    with connection:
        _, (descriptor,), _, _ = socket.recv_fds(connection, 4, 1)
        connection.recv(65536)
        connection.sendall(b"\x01")
    return socket.socket(fileno=descriptor)


def test_a_worker_without_descriptors_does_not_answer_what_it_has_handed_off(gunicorn, tmp_path):
    server = gunicorn("--worker-tmp-dir", str(tmp_path))
    connection = Raw(server.port)
    assert connection.get("/seen/")[0] == 200  # which it has accepted
    with owner_at(next(tmp_path.iterdir()) / "0badbeef") as owner:
        takes = ThreadPoolExecutor(1).submit(take, owner)
        before = open_descriptors(server.pids[0])
        leave_descriptors(server.pids[0], 1)
        path = f"{HANDSHAKE}&sid=abcdefghij.0badbeef"
        connection.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with takes.result(TIMEOUT) as taken:
            wait_until(lambda: open_descriptors(server.pids[0]) < before)  # it has let go
            taken.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            taken.shutdown(socket.SHUT_WR)
        assert b"".join(iter(partial(connection.connection.recv, 4096), b"")) == (
            b"HTTP/1.1 204 No Content\r\n\r\n"
        )
    assert "Traceback" not in server.output


OFFERED = b'{"address": "", "listener": 0, "once": false}\nGE'
"""The details of a connection, and the beginning of its first request."""


def open_pair():
    """Return both ends of a connection."""
    client, accepted = socket.socketpair()
    client.settimeout(TIMEOUT)
    return client, accepted


class Offered:
    """A connection that the test offers to a worker, as another worker of its gunicorn does."""

    def __init__(self, folder, pair=open_pair):
        (path,) = [one for one in folder.iterdir() if one.name[0] != "s"]
        self.client, offered = pair()
        self.sender = socket.socket(socket.AF_UNIX)
        self.sender.settimeout(TIMEOUT)
        close_later(self.client)
        close_later(self.sender)
        self.sender.connect(str(path))
        with offered:
            size = len(OFFERED).to_bytes(4, "big")
            socket.send_fds(self.sender, [size + OFFERED], [offered.fileno()])

    @property
    def is_taken(self):
        ready, _, _ = select.select([self.sender], [], [], 0)
        return bool(ready) and self.sender.recv(1, socket.MSG_PEEK) == b"\x01"


def reset_pair():
    """Return both ends of a connection whose client has reset it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP_UNSENT)
    client.close()
    wait_until(lambda: select.select([accepted], [], [], 0)[0])
    return client, accepted


def test_a_connection_that_was_reset_is_taken(single):
    offered = Offered(single.folder, reset_pair)
    wait_until(lambda: offered.is_taken)


def test_a_worker_takes_as_many_connections_as_it_has_places_for(gunicorn, tmp_path):
    server = gunicorn("--worker-connections", "3", "--worker-tmp-dir", str(tmp_path))
    (folder,) = tmp_path.iterdir()
    before = open_descriptors(server.pids[0])
    offers = [Offered(folder) for _ in range(9)]
    wait_until(lambda: sum(one.is_taken for one in offers) == 3)
    taken = [one for one in offers if one.is_taken]
    left = [one for one in offers if one not in taken]
    for one in left[:4]:  # which give up
        one.sender.close()
        assert one.client.recv(1) == b""
    assert not any(one.is_taken for one in left[4:])
    taken[0].client.close()
    wait_until(lambda: sum(one.is_taken for one in left[4:]) == 1)
    for one in offers:
        one.sender.close()
        one.client.close()
    wait_until(lambda: open_descriptors(server.pids[0]) <= before)
    assert get(server.port, "/seen/")[0] == 200


NONSENSE = [
    b"",
    b"\0",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x05ab",
    b"\0\0\0\x03abc",
    b"\0\0\0\x02{}",
    b'\0\0\0\x30{"address": "", "listener": 0, "once": false}\nGE',
    b'\0\0\0\x2f{"address": "", "listener": "", "once": "yes"}\nGE',
]


def test_nonsense_on_the_workers_own_sockets_harms_nobody(single):
    bystander = join(single, kind=WebSocketClient)
    (path,) = [one for one in single.folder.iterdir() if one.name[0] != "s"]
    for nonsense in NONSENSE:
        for descriptors in ([], [0], [0, 1], [bystander.ws.sock.fileno()] * 2):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT)
                connection.connect(str(path))
                socket.send_fds(connection, [nonsense or b"\0"], descriptors)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b""
    assert bystander.ask("message", "still here") == ["still here"]
    assert "Traceback" not in single.output
