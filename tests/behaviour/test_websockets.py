"""Views of raw WebSockets: decorators, the class, and what ``request.websocket`` does."""

import gc
import queue
import re
import socket
import struct
import threading
import time
import weakref
from http.client import HTTPConnection

import gevent
import gevent.event
import pytest
import websocket
from django.contrib.auth.decorators import login_required
from django.contrib.sessions.backends.file import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpResponse, HttpResponseRedirect
from django.test import Client, override_settings
from django.urls import path
from django.utils import translation

import django_socketio
from django_socketio import (
    WebSocketListener,
    WebSocketView,
    accept,
    accept_websocket,
    require_websocket,
)
from django_socketio.events import on_message
from django_socketio.websockets.heartbeat import Heartbeat
from django_socketio.websockets.host import ViewHost
from tests.kit.clients import join
from tests.kit.frames import CLOSE, FIN, PING, PONG, TEXT, client_frame, closing, sent
from tests.kit.http import UPGRADE, get
from tests.kit.live import LiveServer
from tests.kit.raw_websocket import RawWebSocket
from tests.kit.timeouts import owner_of_timer, ring
from tests.kit.waiting import wait_until
from tests.project import urls

told = queue.Queue()
"""What the views tell the test that runs."""


@accept_websocket
def both(request, name="nobody"):
    if not request.is_websocket():
        return HttpResponse(f"plain {name} {request.websocket}")
    for message in request.websocket:
        request.websocket.send(message)
    told.put((request.websocket.close_code, request.websocket.close_reason))
    return None


@require_websocket
def act(request):
    """Do what the client says, a line of Python each; answer with the result."""
    ws = request.websocket
    names = {"ws": ws, "request": request, "told": told, "time": time, "gevent": gevent}
    names |= {"translation": translation, "connection": connection}
    names |= {"django_socketio": django_socketio}
    for message in ws:
        if message == "return":
            return
        try:
            answer = eval(message, names)
        except (PermissionDenied, ZeroDivisionError):
            raise
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        if not ws.is_closed():
            ws.send(repr(answer))
    told.put(f"closed {ws.close_code}")


class Unknown(BaseException):
    """No Exception, and nothing that ends a process."""


@require_websocket
def ending(request, how):
    if how == "denied":
        raise PermissionDenied("members only")
    if how == "raises":
        raise ZeroDivisionError
    if how == "unknown":
        raise Unknown
    return {"redirects": HttpResponseRedirect("/"), "answers": HttpResponse()}.get(how)


@require_websocket
@login_required
def login_below(request):
    """Never reached."""


@require_websocket
def sleeper(request):
    request.websocket.send("awake")
    while not request.websocket.is_closed():
        gevent.sleep(0.05)
    told.put("slept")


@require_websocket
def waiter(request):
    """Tell how each wait has ended."""
    ws = request.websocket
    ws.send("ready")
    told.put((ws.wait(0.01), ws.is_closed()))
    told.put((ws.wait(), ws.is_closed()))
    told.put((ws.wait(), ws.is_closed(), ws.wait(), ws.send("late"), ws.ping()))


@require_websocket
def flooder(request):
    ws = request.websocket
    told.put(all([ws.send(bytes([number]) * 100_000) for number in range(60)]))


@require_websocket
def senders(request):
    """Send large messages in one greenlet, and small ones meanwhile in another."""
    ws = request.websocket
    ws.wait()
    large = gevent.spawn(lambda: [ws.send(bytes(90_000)) for _ in range(5)])
    while not large.ready() and ws.send(bytes(5_000)):
        pass
    told.put(large.get())


@require_websocket
def rows(request):
    """Send the rows of a query, each of them while the next ones are not read yet."""
    with connection.cursor() as cursor:
        cursor.execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION SELECT i+1 FROM n) SELECT i FROM n")
        for (number,) in cursor:
            if not request.websocket.send(bytes([number]) * 100_000) or number == 99:
                return


@require_websocket
def dawdler(request):
    ws = request.websocket
    ws.send("ready")
    while told.empty():
        gevent.sleep(0.01)
    told.get()
    told.put([ws.wait() for _ in range(500)])


@require_websocket
def counter(request):
    """Send, for each of five messages, a number of the session that others count up meanwhile."""
    while request.websocket.count_messages() < 5:
        gevent.sleep(0.005)
    for _ in request.websocket:
        request.websocket.send(str(request.session["number"]))
        others = SessionStore(request.session.session_key)
        others["number"] += 1
        others.save()


@require_websocket
def taker(request):
    """Take a message that is there and, without waiting, no other; send until the end."""
    ws = request.websocket
    while not ws.has_messages():
        gevent.sleep(0.005)
    ws.send("it is there")
    with gevent.Timeout(float(request.GET.get("timeout", 10)), False):
        ws.wait()
    while ws.send("tick"):
        gevent.sleep(0.01)
    told.put(ws.close_code)


@require_websocket
def worker(request):
    """Work hard between messages, as long as the client reads."""
    ws = request.websocket
    while ws.send("done"):
        end = time.perf_counter() + 0.01
        while time.perf_counter() < end:
            pass


@require_websocket
def interrupted(request, error):
    """Interrupt a greenlet that waits in the turn of the event loop in which a message wakes it."""
    ws = request.websocket
    waiting = [gevent.spawn(ws.wait) for _ in range(2)]
    while len(ws._waiters) < 2:
        gevent.sleep(0)
    first = ws._waiters[0].greenlet
    first.kill(ERRORS[error], block=False)
    ws.on_message("one")
    gevent.joinall(waiting, timeout=5)
    told.put([one.value for one in waiting if one is not first])
    for message in ws:
        ws.send(message)


ERRORS = {error.__name__: error for error in (gevent.GreenletExit, gevent.Timeout)}


class Room(WebSocketView):
    subprotocols = ("v2", "v1")

    def websocket(self, request, name):
        request.websocket.send(f"{name} {request.websocket.subprotocol} {self.request is request}")
        self.kwargs["name"] = "kept"


class Page(WebSocketView):
    def get(self, request):
        return HttpResponse(f"page {request.websocket} {request.is_websocket()}")

    def websocket(self, request):
        request.websocket.send_json({"at": "page"})


class Chatter(WebSocketListener):
    def on_open(self):
        self.send("welcome")

    def on_message(self, message):
        if message == "fail":
            raise ZeroDivisionError
        if message == "leave":
            self.close(4000, "as you wish")
        self.send(message)

    def on_close(self, code, reason):
        told.put((code, reason, self.close_code, self.close_reason))


urlpatterns = [
    *urls.urlpatterns,
    path("both/", both),
    path("both/<str:name>/", both),
    path("act/", act),
    path("end/<str:how>/", ending),
    path("login-above/", login_required(act)),
    path("login-below/", login_below),
    path("sleeper/", sleeper),
    path("waiter/", waiter),
    path("flooder/", flooder),
    path("senders/", senders),
    path("rows/", rows),
    path("dawdler/", dawdler),
    path("counter/", counter),
    path("taker/", taker),
    path("worker/", worker),
    path("interrupted/<str:error>/", interrupted),
    path("room/<str:name>/", Room.as_view()),
    path("twice/<str:name>/", accept_websocket(Room.as_view())),
    path("page/", Page.as_view()),
    path("chatter/", lambda request: accept(request, Chatter())),
]


@pytest.fixture(scope="module")
def shared():
    with override_settings(ROOT_URLCONF=__name__):
        server = LiveServer()
        yield server
        server.stop()


@pytest.fixture
def site(serve):
    """Start a server with settings of its own."""

    def start(django=None, **settings):
        return serve(django={"ROOT_URLCONF": __name__, **(django or {})}, **settings)

    return start


@pytest.fixture
def opened():
    """What a test has opened: pairs of a server and the socket of a client."""
    opened = []
    yield opened
    for _, client in opened:
        client.close()
    for server, _ in opened:
        wait_until(lambda server=server: not host_of(server).is_busy)
    while not told.empty():
        told.get()


@pytest.fixture
def database(monkeypatch, tmp_path):
    """A database in a file: Django does not close those in memory."""
    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "db.sqlite3"))


@pytest.fixture
def dial(opened):
    """Open a WebSocket of a server."""

    def start(server, path, **options):
        url = f"ws://127.0.0.1:{server.port}{path}"
        client = websocket.create_connection(url, timeout=10, **options)
        opened.append((server, client.sock))
        return client

    return start


@pytest.fixture
def raw(opened):
    """Open a WebSocket of a server by hand."""

    def start(server, path):
        client = RawWebSocket(server.port, path=path)
        opened.append((server, client.socket))
        return client

    return start


def ask(client, line):
    client.send(line)
    return client.recv()


def end_of(client):
    """Return the code and the reason of the close frame that comes next."""
    opcode, data = client.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE, (opcode, data)
    return int.from_bytes(data[:2]), data[2:].decode()


def host_of(server):
    return server.socket_server.part(ViewHost)


# The decorators and the class


def test_a_view_may_serve_websockets_and_pages(shared, dial):
    assert get(shared.port, "/both/ann/") == (200, "plain ann None")
    client = dial(shared, "/both/")
    for message in ("hello", "", "é" * 70_000):
        assert ask(client, message) == message
    client.send_binary(b"\0\xff")
    assert client.recv() == b"\0\xff"
    client.close(4321, b"enough")
    assert told.get(timeout=5) == (4321, "enough")


def test_other_requests_for_a_view_of_websockets_are_answered_426(shared):
    connection = HTTPConnection("127.0.0.1", shared.port, timeout=5)
    for target, method, status in [
        ("/act/", "GET", 426),
        ("/act/", "HEAD", 426),
        ("/room/x/", "GET", 426),
        ("/room/x/", "TRACE", 405),
    ]:
        connection.request(method, target)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status
        if status == 426:
            assert answer.headers["Upgrade"] == "websocket"
            assert answer.headers["Connection"] == "Upgrade"
            assert b"Upgrade and Connection" in body or method == "HEAD"
    connection.close()


def test_other_servers_answer_501_and_say_what_to_run():
    with override_settings(ROOT_URLCONF=__name__):
        for target, fields in [
            ("/act/", {}),
            ("/act/", {"HTTP_UPGRADE": "websocket"}),
            ("/both/", {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}),
            ("/chatter/", {"HTTP_UPGRADE": "websocket"}),
            ("/room/x/", {"HTTP_UPGRADE": "websocket"}),
        ]:
            answer = Client().get(target, **fields)
            assert answer.status_code == 501, target
            assert b"django_socketio.gunicorn.Worker" in answer.content
        assert Client().get("/both/").content == b"plain nobody None"
        assert Client().get("/page/").content == b"page None False"


def test_a_class_has_a_method_for_websockets(shared, dial):
    client = dial(shared, "/room/kitchen/", subprotocols=["v0", "v1", "v2"])
    assert client.recv() == "kitchen v2 True"
    assert client.getsubprotocol() == "v2"
    assert end_of(client) == (1000, "")
    assert dial(shared, "/room/hall/").recv() == "hall None True"
    assert get(shared.port, "/page/") == (200, "page None False")
    assert dial(shared, "/page/").recv() == '{"at":"page"}'


def test_decorators_above_see_the_handshake_and_those_below_the_open_connection(
    shared, dial, caplog
):
    assert get(shared.port, "/login-above/", headers=UPGRADE)[0] == 302
    assert end_of(dial(shared, "/login-below/")) == (1008, "status 302")
    assert "belongs above accept_websocket" in caplog.text


def test_a_view_that_is_decorated_twice_is_called_once_with_the_open_connection(shared, dial):
    assert dial(shared, "/twice/lobby/").recv() == "lobby None True"


def test_what_cannot_be_decorated_is_an_error():
    async def late(request):
        """Never run."""

    with pytest.raises(TypeError, match=r"late is asynchronous"):
        accept_websocket(late)
    with pytest.raises(TypeError, match="asynchronous"):
        type("Late", (WebSocketView,), {"websocket": late})
    with pytest.raises(TypeError, match=r'subprotocols is a list of names, .* not "?\'v1\''):
        require_websocket(subprotocols="v1")
    with pytest.raises(TypeError, match="arguments are given by name"):
        accept_websocket(["v1"])


# The end


@pytest.mark.parametrize(
    ("reason", "received"),
    [
        ("no \ud800", "no ?"),
        ("\ud83d\ude00", "??"),
        ("\udfff" * 200, "?" * 123),
        ("x" * 122 + "é", "x" * 122),
        ("€" * 42, "€" * 41),
    ],
    ids=["half a pair", "a pair", "long", "cut within a character", "cut after one"],
)
def test_any_text_may_be_a_reason(shared, dial, reason, received):
    client = dial(shared, "/act/")
    client.send(f"ws.close(4000, {reason!r})")
    assert end_of(client) == (4000, received)
    assert told.get(timeout=5) == "closed 4000"


@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [
        ("returns", 1000, ""),
        ("answers", 1000, ""),
        ("raises", 1011, "Internal error"),
        ("unknown", 1011, "Internal error"),
        ("denied", 1008, "members only"),
        ("redirects", 1008, "status 302"),
    ],
)
def test_the_view_ends_the_connection(shared, dial, caplog, how, code, reason):
    assert end_of(dial(shared, f"/end/{how}/")) == (code, reason)
    if how == "raises":
        wait_until(lambda: "ZeroDivisionError" in caplog.text)
        assert "<WebSocket /end/raises/> failed" in caplog.text


@pytest.mark.parametrize("code", [-1, 0, *range(999, 1017), 2999, 3000, 4999, 5000])
def test_a_connection_is_closed_with_the_codes_that_the_refusal_of_others_names(code):
    listener = WebSocketListener()
    with pytest.raises(ValueError) as refusal:
        listener.close(999)
    named = re.findall(r"(\d+) to (\d+)", str(refusal.value))
    if any(int(first) <= code <= int(last) for first, last in named):
        listener.close(code)
    else:
        with pytest.raises(ValueError, match=f", not {code}$"):
            listener.close(code)


def test_a_view_closes_with_a_code_and_a_reason(shared, dial):
    client = dial(shared, "/act/")
    assert ask(client, "ws.close(1005)").startswith("'ValueError: a WebSocket is closed with 1000")
    assert "not 5000" in ask(client, "ws.close(5000)")
    assert "with a number as code, not '1000'" in ask(client, "ws.close('1000')")
    assert "with a text as reason, not 5" in ask(client, "ws.close(1000, 5)")
    client.send("ws.close(4001, 'bye')")
    assert end_of(client) == (4001, "bye")
    assert told.get(timeout=5) == "closed 4001"


def test_a_wait_ends_with_a_message_a_timeout_or_the_connection(shared, dial):
    client = dial(shared, "/waiter/")
    assert client.recv() == "ready"
    assert told.get(timeout=5) == (None, False)
    client.send("hello")
    assert told.get(timeout=5) == ("hello", False)
    client.close()
    assert told.get(timeout=5) == (None, True, None, False, False)


def test_the_end_comes_after_a_message_that_is_longer_than_the_limit_of_unsent_bytes(shared, dial):
    client = dial(shared, "/act/")
    client.send("ws.send(bytes(20_000_000)) and ws.close()")
    assert len(client.recv()) == 20_000_000
    assert end_of(client) == (1000, "")


@pytest.mark.parametrize("how", ["reset", "half-closed"])
def test_a_client_that_disappears_wakes_the_view(shared, raw, how):
    client = raw(shared, "/both/")
    client.send(sent(TEXT, b"hi"))
    assert client.frame() == (FIN | TEXT, b"hi")
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
    else:
        client.socket.shutdown(socket.SHUT_WR)
    assert told.get(timeout=5) == (1006, "transport close")


def test_messages_before_the_end_are_read_first(shared, raw):
    client = raw(shared, "/waiter/")
    assert client.frame() == (FIN | TEXT, b"ready")
    assert told.get(timeout=5) == (None, False)
    client.send(sent(TEXT, b"one") + sent(TEXT, b"two") + closing(1000))
    # Whether the end is known by then depends on how busy the server is.
    assert told.get(timeout=5)[0] == "one"
    two, _, *after = told.get(timeout=5)
    assert (two, after) == ("two", [None, False, False])


@pytest.mark.parametrize("ended_by", ["client", "view", "login"])
def test_messages_that_wait_are_dropped_by_the_end_of_the_login_only(shared, raw, ended_by):
    client = raw(shared, "/dawdler/")
    assert client.frame() == (FIN | TEXT, b"ready")
    client.send(sent(TEXT, b"one") + sent(TEXT, b"two"))
    (ws,) = host_of(shared).running
    wait_until(lambda: ws.count_messages() == 2)
    if ended_by == "client":
        client.send(closing(1008, b"session ended"))
    elif ended_by == "view":
        shared.call(ws.close, 1008, "session ended")
    else:
        shared.call(ws._login.end)
    wait_until(ws.is_closed)
    told.put("go on")
    wait_until(lambda: told.qsize() == 1 and told.queue[0] != "go on")
    messages = [message for message in told.get() if message is not None]
    assert messages == ([] if ended_by == "login" else ["one", "two"])


@pytest.mark.parametrize("last", [closing(1000), sent(11)], ids=["close", "mistake"])
def test_the_answer_to_a_message_comes_before_the_end_though_views_have_had_their_time(
    raw, shared, monkeypatch, last
):
    monkeypatch.setattr(ViewHost, "has_time", lambda host: False)
    client = raw(shared, "/both/")
    client.send(sent(TEXT, b"one") + sent(TEXT, b"two") + last)
    assert [client.frame() for _ in range(2)] == [(FIN | TEXT, b"one"), (FIN | TEXT, b"two")]
    assert client.code() == (1000 if last == closing(1000) else 1002)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("last", [sent(TEXT, b"1"), closing(1000)], ids=["message", "end"])
def test_what_comes_while_the_connection_to_the_database_is_closed_wakes_the_view(
    raw, shared, monkeypatch, last
):
    close, come = BaseDatabaseWrapper.close, threading.Event()

    def close_slowly(self):
        told.put("closing")
        while not come.is_set():
            gevent.sleep(0.005)
        close(self)

    monkeypatch.setattr(ViewHost, "has_time", lambda host: True)
    client = raw(shared, "/act/")
    (ws,) = host_of(shared).running
    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "close", close_slowly)
        client.send(sent(TEXT, b"connection.ensure_connection()"))
        assert told.get(timeout=5) == "closing"
        client.send(last)
        wait_until(lambda: ws.has_messages() or ws.is_closed())
        come.set()
        assert client.frame() == (FIN | TEXT, b"None")
        if last == closing(1000):
            assert told.get(timeout=5) == "closed 1000"
        else:
            assert client.frame() == (FIN | TEXT, b"1")


@pytest.mark.parametrize("timeout", [10, 0.01], ids=["takes one", "is interrupted"])
def test_the_end_is_told_to_a_view_that_takes_nothing_more(raw, shared, monkeypatch, timeout):
    def turn(host):
        host.workers.step_out(lambda: gevent.sleep(0.1))

    monkeypatch.setattr(ViewHost, "give_turn", turn)
    client = raw(shared, f"/taker/?timeout={timeout}")
    client.send(sent(TEXT, b"one"))
    assert client.frame() == (FIN | TEXT, b"it is there")
    client.send(sent(TEXT, b"two") + closing(1000))  # while the view gives a turn
    assert told.get(timeout=10) == 1000


def test_a_mistake_of_the_client_ends_the_view(shared, raw, caplog):
    client = raw(shared, "/both/")
    client.send(sent(TEXT, b"hi"), b"\x83\x80\0\0\0\0")
    assert client.frame() == (FIN | TEXT, b"hi")
    assert client.code() == 1002
    assert told.get(timeout=5) == (1006, "WebSocket: invalid opcode")
    entry = "<WebSocket /both/> closed: WebSocket: invalid opcode"
    wait_until(lambda: entry in caplog.text)


def test_the_end_of_the_server_ends_the_view_in_order(site, dial):
    server = site()
    client, sleeping = dial(server, "/act/"), dial(server, "/sleeper/")
    assert (ask(client, "1"), sleeping.recv()) == ("1", "awake")
    server.stop()
    assert {told.get(timeout=5), told.get(timeout=5)} == {"closed 1001", "slept"}
    assert end_of(client) == (1001, "server shutting down")


def test_nothing_is_left_of_an_ended_connection(shared, dial):
    client = dial(shared, "/act/")
    client.send("told.put(__import__('weakref').ref(ws))")
    client.recv()
    gone = told.get(timeout=5)
    assert isinstance(gone, weakref.ref)
    gc.disable()
    try:
        client.send("return")
        assert end_of(client) == (1000, "")
        client.shutdown()
        wait_until(lambda: not host_of(shared).is_busy)
        shared.socket_server.engine.accepted.clear()
        wait_until(lambda: gone() is None)
    finally:
        gc.enable()
    assert len(shared.logins) == 0


# Sending


def test_texts_bytes_and_json_can_be_sent(shared, dial):
    client = dial(shared, "/act/")
    client.send("[ws.send(b'raw'), ws.send(bytearray(b'array')), ws.send_json({'a': [1]})]")
    assert [client.recv() for _ in range(4)] == [
        b"raw",
        b"array",
        '{"a":[1]}',
        "[True, True, True]",
    ]
    assert "not dict; send_json(value) sends" in ask(client, "ws.send({'a': 1})")
    assert "surrogates not allowed" in ask(client, r"ws.send('\ud800')")


def test_a_view_that_sends_much_waits_for_a_client_that_reads(site, dial):
    server = site(MAX_UNSENT_BYTES=200_000)
    client = dial(server, "/flooder/", sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)])
    with pytest.raises(queue.Empty):
        told.get(timeout=0.2)
    assert [client.recv() for _ in range(60)] == [bytes([n]) * 100_000 for n in range(60)]
    assert told.get(timeout=5) is True


def test_a_client_that_reads_nothing_is_closed(site, dial, caplog):
    server = site(MAX_UNSENT_BYTES=200_000, SEND_TIMEOUT=0.1)
    dial(server, "/flooder/", sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)])
    assert told.get(timeout=5) is False
    entry = "<WebSocket /flooder/> closed: more waits for it than SOCKETIO_MAX_UNSENT_BYTES"
    wait_until(lambda: entry in caplog.text)


def test_a_message_waits_for_a_client_that_reads_though_others_are_sent(site, dial, monkeypatch):
    read = 0
    monkeypatch.setattr("django_socketio.websockets.websocket.clock", lambda: read / 300_000)
    server = site(MAX_UNSENT_BYTES=100_000, SEND_TIMEOUT=1)
    client = dial(server, "/senders/", sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)])
    (accepted,) = server.socket_server.engine.accepted
    accepted._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
    client.send("begin")
    while told.empty() and (message := client.recv()):
        read += len(message)
        time.sleep(0.002)
    assert told.get() == [True] * 5


@pytest.mark.usefixtures("database")
def test_a_view_may_send_what_it_reads_from_a_database(site, dial, monkeypatch):
    monkeypatch.setattr(ViewHost, "has_time", lambda host: False)
    server = site(MAX_UNSENT_BYTES=200_000)
    client = dial(server, "/rows/", sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)])
    (accepted,) = server.socket_server.engine.accepted
    wait_until(lambda: accepted.unsent > 100_000)  # the view waits for the client
    assert [client.recv() for _ in range(100)] == [bytes([n]) * 100_000 for n in range(100)]
    assert end_of(client) == (1000, "")


# Receiving


def test_messages_that_are_there_can_be_counted_and_read(shared, raw):
    client = raw(shared, "/act/")
    lines = ["[ws.count_messages(), ws.has_messages(), ws.read(), ws.read('none')]", "two"]
    client.send(b"".join(sent(TEXT, line.encode()) for line in ["gevent.sleep(0.05)", *lines]))
    assert client.frame() == (FIN | TEXT, b"None")
    assert client.frame() == (FIN | TEXT, b"[1, True, 'two', 'none']")
    client.leave()
    assert told.get(timeout=5) == "closed 1000"


def test_a_client_that_is_ahead_of_the_view_is_not_read(site, raw):
    server = site(MAX_WAITING_EVENTS=5)
    client = raw(server, "/dawdler/")
    assert client.frame() == (FIN | TEXT, b"ready")
    client.send(b"".join(sent(TEXT, b"%d" % number) for number in range(500)))
    (ws,) = host_of(server).running
    wait_until(lambda: ws._is_paused)
    assert ws.count_messages() == 6
    told.put("go on")
    wait_until(lambda: told.qsize() == 1 and told.queue[0] != "go on")
    assert told.get() == [str(number) for number in range(500)]


def test_the_session_is_read_again_for_a_message_that_has_waited(site, dial, tmp_path):
    engine = "django.contrib.sessions.backends.file"
    server = site({"SESSION_ENGINE": engine, "SESSION_FILE_PATH": str(tmp_path)})
    session = SessionStore()
    session["number"] = 0
    session.save()
    client = dial(server, "/counter/", cookie=f"sessionid={session.session_key}")
    for _ in range(5):
        client.send("")
    assert [client.recv() for _ in range(5)] == ["0", "1", "2", "3", "4"]


def test_several_greenlets_may_wait_and_polling_lets_others_have_their_turn(site, dial):
    server = site()
    busy, other = dial(server, "/act/"), dial(server, "/both/")
    busy.send("told.put('begun'), [ws.wait(0) for _ in range(200_000)][-1], told.put('done')")
    assert told.get(timeout=5) == "begun"
    assert ask(other, "hello") == "hello"
    assert told.get(timeout=20) == "done"
    assert busy.recv() == "(None, None, None)"
    busy.send("[g.get() for g in gevent.joinall([gevent.spawn(ws.wait) for _ in range(2)])]")
    busy.send("one")
    busy.send("two")
    assert sorted(eval(busy.recv())) == ["one", "two"]


@pytest.mark.parametrize("error", ERRORS)
def test_a_message_that_wakes_an_interrupted_greenlet_goes_to_another(shared, dial, error):
    client = dial(shared, f"/interrupted/{error}/")
    assert told.get(timeout=10) == ["one"]
    assert ask(client, "two") == "two"


# Limits


def test_messages_are_as_long_as_those_of_sockets(site, dial):
    client = dial(site(MAX_MESSAGE_SIZE=1_000), "/both/")
    client.send("x" * 1_001)
    assert end_of(client)[0] == 1009
    assert told.get(timeout=5)[0] == 1006


@pytest.mark.parametrize("target", ["/both/", "/chatter/"])
@pytest.mark.parametrize(("unit", "rate", "message"), [("MESSAGE", 0.01, "x"), ("BYTE", 0.03, "€")])
def test_the_rates_of_clients_are_those_of_sockets(site, dial, target, unit, rate, message):
    client = dial(site(**{f"CLIENT_{unit}_RATE": rate}, RATE_BURST=300), target)
    for _ in range(10):
        client.send(message)
    received = []
    while (opcode_data := client.recv_data(control_frame=True))[0] != 8:
        received.append(opcode_data[1])
    assert received[target == "/chatter/" :] == [message.encode()] * 3  # behind a welcome
    assert int.from_bytes(opcode_data[1][:2]) == 1008
    assert f"SOCKETIO_CLIENT_{unit}_RATE".encode() in opcode_data[1]
    assert 1008 in told.get(timeout=5)


def test_the_pongs_that_the_server_asks_for_are_not_counted(site, dial):
    client = dial(site(CLIENT_MESSAGE_RATE=0.002, RATE_BURST=1000), "/act/")
    client.send("[ws.ping() for _ in range(3)]")
    assert client.recv() == "[True, True, True]"  # after the pings, which recv answers
    assert ask(client, "1 + 1") == "2"
    client.pong("")  # without a ping
    assert end_of(client)[0] == 1008


def test_pings_that_were_never_answered_do_not_let_a_flood_of_pongs_in(site, raw):
    client = raw(site(CLIENT_MESSAGE_RATE=0.1, RATE_BURST=1000), "/act/")
    client.send(client_frame(FIN | TEXT, b"len([ws.ping() for _ in range(200)])"))
    while client.frame() != (FIN | TEXT, b"200"):
        pass
    client.send(sent(PONG, b"") * 200)
    assert client.frame()[1][:2] == (1008).to_bytes(2)


def test_pages_of_other_origins_are_refused(shared, dial):
    answer = get(shared.port, "/both/", headers={**UPGRADE, "Origin": "http://evil.example"})
    assert answer[0] == 403


def test_pings_show_whether_the_client_is_there(site, raw):
    server = site(PING_INTERVAL=20, PING_TIMEOUT=20)
    client = raw(server, "/both/")
    heartbeat = owner_of_timer(server, Heartbeat)
    for answers in (True, False):
        ring(server, heartbeat._timer, heartbeat._timer.when)
        assert client.frame() == (FIN | PING, b"")
        if answers:
            client.send(sent(PONG, b""))
            wait_until(lambda: heartbeat._pinged._is_heard)
    ring(server, heartbeat._timer, heartbeat._timer.when)
    assert client.frame() == (FIN | 8, (1011).to_bytes(2) + b"ping timeout")
    assert told.get(timeout=5) == (1011, "ping timeout")


def beating(server, target):
    """Return the transport of the only WebSocket, and what has its next beat be due."""
    if target == "/both/":
        heartbeat = owner_of_timer(server, Heartbeat)
        timer = heartbeat._timer
        return heartbeat._pinged._transport, lambda: ring(server, timer, timer.when)
    (session,) = server.socket_server.engine.sessions.values()
    return session.transport, lambda: server.call(lambda: session.wake(session.protocol.deadline))


@pytest.mark.parametrize("end", [b"", b"4"])
@pytest.mark.parametrize("target", ["/both/", "/socket.io/?EIO=4&transport=websocket"])
def test_a_client_is_there_while_a_long_message_comes_and_not_too_slowly(site, raw, target, end):
    server = site(PING_INTERVAL=20, PING_TIMEOUT=20)
    client = raw(server, target)
    transport, beat = beating(server, target)
    text = client_frame(FIN | TEXT, b"4" * 99_000)

    def send_and_beat(piece):
        client.send(piece)
        wait_until(lambda: transport._protocol._received == len(piece))
        beat()

    beat()
    for piece in (text[:1], text[1:25_000], text[25_000:50_000]):
        send_and_beat(piece)
    assert not transport.is_closed
    send_and_beat(end)
    while (frame := client.frame())[0] != FIN | CLOSE:
        assert frame[0] == FIN | PING or frame[1] == b"2" or frame[1].startswith(b"0{")
    assert frame[1][2:] == b"ping timeout"


# Others


def test_views_that_sleep_keep_no_place_of_handlers_or_other_views(site, dial):
    @on_message
    def answer(request, socket, context, message):
        return message

    server = site(WORKERS=1)
    clients = [dial(server, "/sleeper/") for _ in range(5)]
    assert [client.recv() for client in clients] == ["awake"] * 5
    assert join(server).ask("message", 1) == [1]
    assert ask(dial(server, "/both/"), "hello") == "hello"
    assert get(server.port, "/both/")[0] == 200
    for client in clients:
        client.shutdown()
    assert sorted(str(told.get(timeout=5)) for _ in clients) == ["slept"] * 5


def test_a_view_that_sends_without_end_lets_others_have_their_turn(site, dial):
    server = site(MAX_UNSENT_BYTES=50_000_000)
    busy, other = dial(server, "/act/"), dial(server, "/both/")
    busy.send("told.put('begun'), [ws.send('x') for _ in range(200_000)], told.put('done')")
    assert told.get(timeout=5) == "begun"
    assert ask(other, "hello") == "hello"
    assert told.empty()
    assert told.get(timeout=20) == "done"


def test_a_view_that_works_between_messages_lets_others_have_their_turn(site, dial):
    server = site()
    busy, other = dial(server, "/worker/"), dial(server, "/both/")
    other.send("first")
    assert other.recv() == "first"
    before = waiting(busy)
    other.send("second")
    assert other.recv() == "second"
    assert waiting(busy) - before < 100


def waiting(client):
    """Return how many messages "done" have come that the client has not read."""
    seen = client.sock.recv(65_536, socket.MSG_PEEK)
    return len(seen) // len(b"..done")


def test_a_view_emits_to_sockets(shared, dial):
    client = join(shared, "room-1")
    line = "django_socketio.emit('news', 1, channel='room-1')"
    assert "Emitted" in ask(dial(shared, "/act/"), line)
    assert client.sync().count('42["news",1]') == 1
    client.close()


def test_a_view_that_calls_takes_no_place_from_handlers(site, dial):
    over = gevent.event.Event()

    @on_message
    def hold(request, socket, context, message):
        over.wait()

    server = site(WORKERS=1)
    handlers, client = server.socket_server.executor, join(server, "room-1")
    client.send('42["message",1]')
    wait_until(lambda: handlers.busy)
    view = dial(server, "/act/")
    view.send("django_socketio.call('who?', channel='room-1', wait='all')")
    assert client.receive() == '420["who?"]'
    assert (handlers.busy, handlers.stepped_out) == (1, 0)
    client.send('430["me"]')
    assert "'me'" in view.recv()
    assert handlers.busy
    server.call(over.set)


def test_the_language_and_the_contexts_of_handlers_are_those_of_the_view(site, dial):
    middleware = ["django.middleware.locale.LocaleMiddleware"]
    server = site(
        django={"MIDDLEWARE": middleware, "LANGUAGES": [("en", "English"), ("de", "German")]},
        HANDLER_CONTEXT=[f"{__name__}.tenant"],
    )
    client = dial(server, "/act/", header=["Accept-Language: de"])
    assert ask(client, "translation.get_language()") == "'de'"
    assert ask(client, "request.tenant") == "'acme'"


class tenant:
    """Set a tenant, as a site's context manager does."""

    def __init__(self, request):
        request.tenant = "acme"

    def __enter__(self):
        """Begin."""

    def __exit__(self, *exc_info):
        """End."""


def test_a_thousand_views_wait_at_the_same_time_and_each_is_woken(shared, raw):
    clients = [raw(shared, "/both/") for _ in range(1000)]
    for number, client in enumerate(clients):
        client.send(client_frame(FIN | TEXT, b"%d" % number))
    answers = [client.frame() for client in clients]
    assert answers == [(FIN | TEXT, b"%d" % number) for number in range(1000)]
    for client in clients:
        client.send(closing(1000))
        assert told.get(timeout=5) == (1000, "")


# Without a greenlet


def test_a_listener_has_its_messages_from_the_event_loop(shared, dial):
    client = dial(shared, "/chatter/")
    assert client.recv() == "welcome"
    assert ask(client, "hello") == "hello"
    client.send("leave")
    assert end_of(client) == (4000, "as you wish")
    assert told.get(timeout=5) == (4000, "as you wish", 4000, "as you wish")


def test_a_listener_that_fails_closes_its_connection_only(shared, dial, caplog):
    client, other = dial(shared, "/chatter/"), dial(shared, "/chatter/")
    assert (client.recv(), other.recv()) == ("welcome", "welcome")
    client.send("fail")
    assert end_of(client) == (1011, "Internal error")
    assert told.get(timeout=5)[0] == 1011
    wait_until(lambda: "<Chatter /chatter/> failed" in caplog.text)
    assert ask(other, "hello") == "hello"
    other.close(3000)
    assert told.get(timeout=5)[0] == 3000


def test_a_listener_whose_client_reads_nothing_is_closed(site, raw, caplog):
    client = raw(site(MAX_UNSENT_BYTES=200_000), "/chatter/")
    with pytest.raises(OSError):
        while True:
            client.send(sent(TEXT, b"x" * 100_000))
    assert told.get(timeout=5)[:2] == (1006, "slow client")
    entry = "<Chatter /chatter/> closed: more waits for it than SOCKETIO_MAX_UNSENT_BYTES"
    wait_until(lambda: entry in caplog.text)


def test_a_listener_serves_one_connection(shared, dial):
    listener = Chatter()
    assert (listener.send("early"), listener.is_closed()) == (False, False)
    listener._server = object()
    with pytest.raises(RuntimeError, match="make an object for each"):
        listener.bind(None, None)
