"""Database connections: no handler leaves anything to the next, idle sockets hold none."""

import json
import os
import selectors
import socket
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
import websocket

from tests.kit.clients import PollingClient, join
from tests.kit.frames import client_frame
from tests.kit.http import HELLO, get
from tests.kit.waiting import wait_until

MANY = 500
BATCH = 125
LOCK = 7


def join_many(port, number):
    """Connect sockets that each have a query run; return them once all are answered."""
    sockets = []
    request = HELLO + client_frame(0x81, b"40") + client_frame(0x81, b'420["message","m"]')
    for _ in range(number):
        sockets.append(socket.create_connection(("127.0.0.1", port)))
        sockets[-1].sendall(request)
    with selectors.DefaultSelector() as waiting:
        for one in sockets:
            waiting.register(one, selectors.EVENT_READ, bytearray())
        while waiting.get_map():
            ready = waiting.select(10)
            assert ready, bytes(next(iter(waiting.get_map().values())).data[-300:])
            for key, _ in ready:
                received = key.fileobj.recv(4096)
                assert received, key.data
                key.data.extend(received)
                if key.data.endswith(b"430[1]"):
                    waiting.unregister(key.fileobj)
    return sockets


def test_idle_sockets_hold_no_more_connections_than_there_are_workers(common, postgresql):
    server = common(CONN_MAX_AGE=None, WORKERS=10, IDLE_TIME=600)
    sockets, most = [], 0
    while len(sockets) < MANY:
        sockets += join_many(server.port, BATCH)
        most = max(most, postgresql.connections())
    assert 0 < most <= 10
    wait_until(lambda: postgresql.connections_much_later(server) == 0)
    assert len(os.listdir(f"/proc/{server.pids[0]}/fd")) > MANY  # they are all still there
    for one in sockets:
        one.close()
    assert "Traceback" not in server.output


def test_a_connection_that_shall_not_be_kept_ends_with_its_handler(common, postgresql):
    server = common(CONN_MAX_AGE=0, WORKERS=10, IDLE_TIME=600)
    sockets = join_many(server.port, 20)
    wait_until(lambda: postgresql.connections() == 0)  # idle workers keep theirs for longer
    for one in sockets:
        one.close()


def test_clients_that_all_come_at_once_open_few_connections(common, postgresql):
    server = common(LOGIN=1, CONN_MAX_AGE=None, WORKERS=5, IDLE_TIME=0.2)
    sockets = join_many(server.port, 120)  # PostgreSQL would refuse more than 97
    wait_until(lambda: postgresql.connections() == 0)
    for one in sockets:
        one.close()


def test_views_of_websockets_hold_no_connection_while_they_wait(common, postgresql):
    server = common(CONN_MAX_AGE=None, ATOMIC=1, IDLE_TIME=600)
    assert get(server.port, "/query-and-wait/") == (200, "True")
    url = f"ws://127.0.0.1:{server.port}/query-and-wait/"
    clients = [websocket.create_connection(url, timeout=10) for _ in range(30)]
    for _ in range(2):
        for client in clients:
            client.send("query")
        assert [json.loads(client.recv()) for client in clients] == [[1, False]] * 30
        wait_until(lambda: postgresql.connections() == 0)
    clients[0].send("atomic")
    wait_until(lambda: postgresql.connections() == 1)  # a transaction is not interrupted
    for client in clients:
        client.shutdown()
    wait_until(lambda: postgresql.connections() == 0)


@pytest.mark.parametrize("either", ["sqlite"], indirect=True)
def test_views_of_websockets_hold_no_connection_while_others_have_their_turn(either):
    url = f"ws://127.0.0.1:{either.port}/query-and-count/"
    clients = [websocket.create_connection(url, timeout=10) for _ in range(60)]
    for client in clients:
        client.send("query")
    counts = wait_until(lambda: counted if len(counted := counts_of(either)) == 60 else None)
    assert set(counts) == {1}
    for client in clients:
        client.shutdown()


def counts_of(server):
    return get(server.port, "/query-and-count/")[1]["counts"]


def test_views_of_websockets_share_a_pool(site, postgresql):
    """PostgreSQL would refuse more than 97 connections."""
    server = site(CONN_MAX_AGE=0, POOL='{"min_size": 2, "max_size": 5, "timeout": 20}')
    url = f"ws://127.0.0.1:{server.port}/query-and-wait/"
    clients = [websocket.create_connection(url, timeout=20) for _ in range(120)]
    for client in clients:
        client.send("query")
    assert [json.loads(client.recv()) for client in clients] == [[1, False]] * 120
    assert 2 <= postgresql.connections() <= 5
    for client in clients:
        client.shutdown()
    assert "Traceback" not in server.output


def test_an_async_handler_uses_the_connection_of_its_worker(common, postgresql):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=600)
    client = join(server)
    assert client.ask("message") == [1]
    assert client.ask("async") == [1]
    assert postgresql.connections() == 1
    wait_until(lambda: postgresql.connections_much_later(server) == 0)


def test_the_workers_of_no_pool_keep_an_idle_connection(common, postgresql):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=600)
    assert join(server).ask("message") == [1]
    assert int(get(server.port, "/query-in-pools/")[1]) > 1
    assert postgresql.connections() > 1  # of workers
    wait_until(lambda: postgresql.connections_much_later(server) == 0)


def test_the_connection_of_a_loop_without_async_to_sync_is_given_back(common, postgresql):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=600)
    client = join(server)
    for _ in range(2):
        assert client.ask("asyncio.run") == [1]
        assert postgresql.connections() == 1
        wait_until(lambda: postgresql.connections_much_later(server) == 0)


def test_a_transaction_of_a_loop_without_async_to_sync_is_left_alone(common, postgresql):
    client = join(common(CONN_MAX_AGE=None, IDLE_TIME=0.2, WORKERS=2))
    assert client.ask("transaction of asyncio.run", 0.8) == [5]
    wait_until(lambda: postgresql.connections() == 0)


def test_a_thread_with_a_connection_does_not_start_that_of_asgiref(common, postgresql):
    client = join(common(CONN_MAX_AGE=None, IDLE_TIME=0.2))
    for _ in range(2):
        client.ask("thread")
        client.ask("message")
        wait_until(lambda: postgresql.connections() == 0)
    assert client.ask("asgiref's threads") == [0]


def test_a_view_leaves_nothing_to_the_next_http_connection(common, postgresql):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=600)
    for _ in range(3):
        assert get(server.port, "/leave/")[0] == 200
        wait_until(lambda: postgresql.connections() == 0)
        assert get(server.port, "/answer/") == (200, "1")
        wait_until(lambda: postgresql.connections() == 0)


@pytest.fixture
def pages():
    """Get a page twice on each of 15 HTTP connections, which stay open."""
    opened = [HTTPConnection("127.0.0.1", timeout=10) for _ in range(15)]

    def get_all(server, path):
        for one in opened:
            one.port = server.port
        return [(body_of(one, path), body_of(one, path)) for one in opened]

    yield get_all
    for one in opened:
        one.close()


def body_of(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read()


def test_http_connections_that_wait_hold_no_connection(common, postgresql, pages):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=0.2)
    assert set(pages(server, "/answer/")) == {(b"1", b"1")}
    wait_until(lambda: postgresql.connections() == 0)
    assert set(pages(server, "/answer/")) == {(b"1", b"1")}


def test_a_few_busy_http_connections_keep_theirs(site, postgresql, pages):
    server = site(CONN_MAX_AGE=None, GRACE=600)
    backends = pages(server, "/backend/")
    assert [first == second for first, second in backends] == [True] * 10 + [False] * 5
    wait_until(lambda: postgresql.connections() == 10)


def test_a_poll_that_waits_holds_no_connection(common, postgresql):
    server = common(LOGIN=1, CONN_MAX_AGE=None, WORKERS=5, IDLE_TIME=0.2)
    client = join(server, kind=PollingClient)
    client.sync()
    wait_until(lambda: postgresql.connections() == 0)


def test_slow_queries_do_not_stop_the_event_loop(common, postgresql):
    server = common(CONN_MAX_AGE=0, WORKERS=10, IDLE_TIME=600)
    other = join(server)
    slow = [join(server) for _ in range(9)]
    with postgresql.locked(LOCK):
        for client in slow:
            client.emit("slow", LOCK, id=1)
        wait_until(lambda: postgresql.waiting() == 9)
        for number in range(20):
            assert other.ask("echo", number) == [number]
    assert {client.receive() for client in slow} == {'431["slow"]'}


LEAVERS = [
    ("begin", None),
    ("fail in begin", {"error": "Internal error"}),
    ("fail without autocommit", {"error": "Internal error"}),
    ("enter atomic", None),
    ("leave async", None),
]


@pytest.mark.parametrize("event, answer", LEAVERS, ids=[event for event, _ in LEAVERS])
def test_a_transaction_is_never_left_to_the_next_handler(either, event, answer):
    client = join(either)
    client.ask("create")
    assert client.ask(event) == [answer]
    if answer is not None:
        assert client.ask("error") == [2]
    assert client.ask("rows") == [0]
    assert join(either).ask("message") == [1]
    handler = event.replace(" ", "_")
    either.wait_for(
        rf"database\.events\.{handler} left a transaction open on the database 'default'"
    )


def test_a_transaction_of_a_callback_is_not_left_either(either):
    client = join(either)
    client.ask("create")
    client.emit("leave to callback")
    assert client.receive() == '420["question"]'
    client.send("430[]")
    assert client.ask("rows") == [0]
    either.wait_for("leave_to_callback.<locals>.callback left a transaction open")


def test_a_connection_that_broke_is_replaced(common, postgresql):
    client = join(common(CONN_MAX_AGE=None, ATOMIC=1, IDLE_TIME=600))
    assert client.ask("message") == [1]
    postgresql.kill_connections()
    assert client.ask("message") == [{"error": "Internal error"}]
    assert client.ask("message") == [1]


def test_a_forked_child_has_a_connection_of_its_own(common):
    client = join(common(CONN_MAX_AGE=None, IDLE_TIME=0.2))
    before, after, child = client.ask("fork")[0]
    assert before == after != child
    assert client.ask("message") == [1]


CLEAN = [None, None, None, True, False, '"$user", public']

OBJECTS = ["local", "thread", "attribute", "attribute after use", "wrapper", "debug"]
STATES = ["SET", "set_config", "several", "temporary"]


@pytest.mark.parametrize("age", [None, 0], ids=["persistent", "closed"])
def test_what_a_handler_or_a_view_leaves_is_not_there_for_another_client(common, age):
    server = common(CONN_MAX_AGE=age, IDLE_TIME=600)
    one, other = join(server), join(server)
    assert one.ask("seen") == [CLEAN]
    for way in OBJECTS + STATES:
        assert one.ask("leave", way) == [None], way
        assert other.ask("seen") == [CLEAN], way
        assert get(server.port, f"/leave/{quote(way)}/")[0] == 200
        assert get(server.port, "/seen/") == (200, {"seen": CLEAN}), way
    assert one.ask("seen") == [CLEAN]
    assert "Traceback" not in server.output


def test_a_persistent_connection_is_kept_unless_its_state_was_changed(common):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=600)
    one, other = join(server), join(server)
    (first,) = one.ask("backend")
    for way in OBJECTS:
        one.ask("leave", way)
        assert other.ask("backend") == [first], way
    for way in STATES:
        (before,) = other.ask("backend")
        one.ask("leave", way)
        assert other.ask("backend") != [before], way


def test_a_connection_object_on_which_nothing_was_left_is_kept(either):
    assert join(either).ask("object") == join(either).ask("object")


def test_queries_do_not_pile_up_under_debug(either):
    client = join(either)
    assert [client.ask("queries") for _ in range(5)] == [[1]] * 5


def wait_for_question(client):
    assert client.receive() == '420["question"]'


@pytest.mark.parametrize("max_age", [0, None])
def test_handlers_that_wait_for_clients_hold_no_connection(common, postgresql, max_age):
    server = common(CONN_MAX_AGE=max_age, WORKERS=10, IDLE_TIME=600)
    clients = [join(server) for _ in range(40)]
    for client in clients:
        client.emit("query and ask", id=1)
        wait_for_question(client)
    wait_until(lambda: postgresql.connections() == 0)
    for client in clients:
        client.send('430["yes"]')
    assert {client.receive() for client in clients} <= {f'431[["yes",{n}]]' for n in range(1, 11)}


def test_a_handler_that_waits_within_a_transaction_keeps_its_connection(common, postgresql):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=0.2, WORKERS=2)
    client, other = join(server), join(server)
    client.emit("ask in a transaction", id=1)
    wait_for_question(client)
    assert postgresql.connections() == 1
    assert other.ask("message") == [1]
    client.send("430[]")
    assert client.receive() == "431[5]"


def test_a_function_in_a_thread_gets_no_connection(common, postgresql):
    server = common(CONN_MAX_AGE=None, IDLE_TIME=0.2)
    client = join(server)
    for _ in range(3):
        assert client.ask("in thread") == [{"error": "Internal error"}]
    server.wait_for(
        "ThreadError: the database 'default' was used by tests.system.database.events.query", 3
    )
    wait_until(lambda: postgresql.connections() == 0)


def test_the_watchdog_works_where_everything_is_patched(either):
    join(either).ask("block")
    either.wait_for(r"held for [\d.]+ seconds by the handler tests.system.database.events.block;")
