"""Asking a cluster for its nodes, for many callers at a time."""

import os
import socket
import threading
import time

import pytest
from redis.exceptions import AuthenticationError, ClusterDownError, RedisError, TimeoutError

from django_socketio.relay.cluster.topology import Topology
from django_socketio.relay.redis.url import RelayURL
from tests.kit.waiting import wait_until
from tests.relay.cluster import topic_of
from tests.relay.conftest import message

CALLERS = 10


class CountingLock:
    """A lock that knows how many have asked for it."""

    def __init__(self):
        self.asked, self._lock = 0, threading.Lock()
        self.release = self._lock.release

    def acquire(self, timeout):
        self.asked += 1
        return self._lock.acquire(timeout=timeout)


class Hanging(Topology):
    """Of a cluster whose nodes hang until a test lets them fail."""

    def __init__(self, nodes="127.0.0.1:1"):
        super().__init__(RelayURL.parse(f"redis+cluster://{nodes}"), 1.0)
        self._refreshing = CountingLock()
        self.asked, self.gate, self.failures = 0, threading.Event(), []
        self.error = TimeoutError("it hangs")

    def _slots(self, node):
        self.asked += 1
        assert self.gate.wait(20)
        raise self.error

    def try_to_refresh(self, seconds=20.0):
        try:
            self.refresh(None, time.monotonic() + seconds)
        except RedisError as error:
            self.failures.append((type(error), str(error)))


@pytest.fixture
def hanging():
    topology = Hanging()
    yield topology
    topology.gate.set()


def start(hanging, count):
    """Have so many callers ask; the first one asks the cluster."""
    callers = [threading.Thread(target=hanging.try_to_refresh) for _ in range(count)]
    for caller in callers:
        caller.start()
    wait_until(lambda: hanging._refreshing.asked == count and hanging.asked == 1)
    return callers


@pytest.mark.parametrize("kind", [TimeoutError, AuthenticationError, ClusterDownError])
def test_callers_who_wait_share_a_failure(hanging, kind):
    hanging.error = kind("it fails")
    callers = start(hanging, CALLERS)
    hanging.gate.set()
    for caller in callers:
        caller.join()
    assert (hanging.asked, hanging.failures) == (1, [(kind, "it fails")] * CALLERS)
    hanging.try_to_refresh()
    assert hanging.asked == 2


def test_callers_with_more_time_ask_the_nodes_that_were_not_asked():
    hanging = Hanging("127.0.0.1:1,127.0.0.1:2")
    brief = threading.Thread(target=hanging.try_to_refresh, args=(0,))
    brief.start()
    wait_until(lambda: hanging.asked == 1)
    patient = threading.Thread(target=hanging.try_to_refresh)
    patient.start()
    wait_until(lambda: hanging._refreshing.asked == 2)
    hanging.gate.set()
    for caller in (brief, patient):
        caller.join()
    assert hanging.asked == 1 + 2


def test_a_caller_does_not_wait_for_another_beyond_its_own_time(hanging):
    (caller,) = start(hanging, 1)
    hanging.try_to_refresh(0.01)
    assert hanging.failures == [(ClusterDownError, "no node was asked in time")]
    hanging.gate.set()
    caller.join()
    assert hanging.failures[1:] == [(TimeoutError, "it hangs")]


def connections(relay, node):
    """Return the addresses from which a relay has connections to a node."""
    found = []
    for descriptor in relay.descriptors():
        with socket.socket(fileno=os.dup(descriptor)) as end:
            if end.getpeername()[1] == node.port:
                found.append("{}:{}".format(*end.getsockname()))
    return found


@pytest.mark.needs("shards")
def test_the_connections_to_a_node_that_has_left_are_closed(cluster, new_cluster, monkeypatch):
    relay, _ = new_cluster(listen=False)
    stays, _, leaves = cluster.nodes  # the first two are in the URL
    topics = [topic_of(cluster, relay, node) for node in (stays, leaves)]
    assert [relay.publish(message("before", topic)) for topic in topics] == [0, 0]
    assert relay.read(topics[1]).is_complete
    topology, closed = relay._subscriber._topology, connections(relay, leaves)
    assert len(closed) == 2

    def slots_without_it(node):
        ranges = Topology._slots(topology, node)
        return [one for one in ranges if one[2][0].port != leaves.port]

    def open_now():
        return {client["addr"] for client in leaves.client.client_list()}

    with monkeypatch.context() as patched:
        patched.setattr(topology, "_slots", slots_without_it)
        topology.refresh(None, time.monotonic() + 20)
        assert connections(relay, leaves) == []
        wait_until(lambda: open_now().isdisjoint(closed))
    topology.refresh(None, time.monotonic() + 20)
    assert [relay.publish(message("after", topic)) for topic in topics] == [0, 0]
