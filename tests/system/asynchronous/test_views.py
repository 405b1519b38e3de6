"""Asynchronous code in views: it works, and others do not notice."""

import socket

import pytest

from tests.kit.waiting import wait_until
from tests.system.asynchronous.conftest import KINDS

HOLDERS = ["async_to_sync", "asyncio.run", "async view"]

on_each = pytest.mark.parametrize("server", KINDS, indirect=True)
# asgiref has no thread for the sync code of a loop that a view of an asynchronous chain starts.
on_sync_chains = pytest.mark.parametrize("server", KINDS[:3], indirect=True)


@on_each
@pytest.mark.parametrize("how", HOLDERS)
def test_a_view_whose_loop_waits_disturbs_no_other(server, how):
    first, second = server.hold(f"/hold/{how}/"), server.hold(f"/hold/{how}/")
    assert server.json("/users/") == {"users": 1}
    assert server.json("/users/async/?name=beside")["left"] == 0
    assert server.json("/several/")["results"] == [0, 1, 2, 3, 4]
    assert server.release() == 2
    assert (first.answer(), second.answer()) == ("released", "released")


@on_each
def test_an_async_view_uses_the_orm(server):
    names = [f"ann{number}" for number in range(3)]
    answer = server.json("/users/async/?name=ann")
    assert answer == {"found": names, "again": "ann0", "left": 0}


@on_each
def test_asynchronous_code_is_in_the_transaction_of_its_view(server):
    assert server.json("/transaction/") == {"inside": True, "after": False}


@on_sync_chains
def test_sync_code_runs_in_a_loop_of_a_view(server):
    assert server.json("/run/") == {"counts": [1, 1, "thread"]}


@on_each
def test_several_loops_run_in_threads_of_a_view(server):
    assert server.json("/several/") == {"results": [0, 1, 2, 3, 4]}


@on_each
def test_the_loop_that_a_thread_has_set_is_its_own(server):
    assert server.get("/set/").startswith("There is no current event loop in thread")


@on_each
def test_httpx_asks_the_server_that_it_runs_in(server):
    assert server.json("/fetch/") == {"users": [1, 1, 1, 1]}


@on_each
def test_context_variables_go_in_and_come_back(server):
    assert server.json("/context/") == {"seen": ["view", "view", "inside"]}


@on_each
def test_an_async_view_waits_for_a_program(server):
    assert server.json("/program/") == {"out": "through a pipe", "status": 3}


@on_each
def test_an_async_iterator_is_answered(server):
    assert server.get("/stream/") == "room"


@on_each
def test_signals_stay_the_servers(server):
    assert server.get("/signal/").startswith("RuntimeError: ")


@on_sync_chains
def test_nothing_is_left_once_no_loop_runs(server):
    server.get("/users/async/?name=last")
    wait_until(lambda: not server.json("/state/")["traced"])


@pytest.mark.parametrize("server", KINDS[:2], indirect=True)
def test_views_work_beside_more_connections_than_select_can_name(server):
    """select() takes descriptors up to 1023; those of the loops are above."""
    sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1_600)]
    try:
        for one in sockets:
            one.sendall(b"GET /socket.io/ HTTP/1.1\r\n")  # it goes on to wait for the rest
        held = server.hold("/hold/async view/")
        assert server.json("/fetch/") == {"users": [1, 1, 1, 1]}
        assert server.json("/program/")["status"] == 3
        assert server.release() == 1
        assert held.answer() == "released"
    finally:
        for one in sockets:
            one.close()
