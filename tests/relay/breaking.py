"""Connections to Redis that break, and processes that are deaf, at a moment of a test's choice."""

import socket
import threading
from collections import Counter
from contextlib import contextmanager

from django_socketio.relay.cluster.subscriber import ClusterSubscriber
from django_socketio.relay.redis import catching_up
from django_socketio.relay.redis.subscription import Beginning
from tests.kit.waiting import wait_until
from tests.relay.conftest import Deafened


def subscribe_to_all(relay, inbox, topics):
    """Subscribe to many topics that are new, without a round trip for each."""
    made = relay._subscriber
    confirmed = made._confirmed if is_cluster(relay) else made._channels
    for topic in topics:
        relay._sequencer.add(topic, inbox.deliver, Beginning(relay._heard_decoder.count))
        relay._sequencer.subscription(topic).is_located = True
        confirmed[relay._keyspace.channel(topic)] = threading.Event()


def is_cluster(relay):
    """Return whether a relay uses a cluster."""
    return isinstance(relay._subscriber, ClusterSubscriber)


def break_connection(relay):
    """Break the connections of one relay only; wait until it has caught up."""
    subscriber = relay._subscriber
    broken = [*subscriber._subscribers.values()] if is_cluster(relay) else [subscriber]
    count = relay.status()["reconnects"] + len(broken)
    for one in broken:
        one._made._sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: relay.status()["reconnects"] >= count and relay.status()["alive"])


@contextmanager
def coming_back(relay):
    """Wait, after a block that breaks a relay's connections, until the relay is back."""
    before = relay.status()["reconnects"]
    yield
    wait_until(lambda: relay.status()["reconnects"] > before and relay.status()["alive"])


def break_connections(redis_server, relay):
    """Break the connections of all relays; wait until this one is back."""
    with coming_back(relay):
        redis_server.kill_connections()


def cut_off(server, near):
    """Break the connections that listen; those that go by the tap's dead link do not notice.

    ``near`` is the only relay that comes back.
    """
    server.tap.mute()
    for client in server.client.client_list(_type="pubsub"):
        server.client.client_kill_filter(_id=client["id"])
    wait_until(lambda: near.status()["reconnects"] == 1 and near.status()["alive"])


@contextmanager
def deaf(relay, count):
    """Have a relay drop so many messages, as if they had not come."""
    observer = relay._subscriber._observer = Deafened(relay)
    yield
    wait_until(lambda: observer.dropped == count)
    relay._subscriber._observer = relay


def commands(*servers):
    """Return how often Redis, or the nodes of a cluster, were sent each command."""
    found = Counter()
    for server in servers:
        for name, values in server.client.info("commandstats").items():
            found[name.removeprefix("cmdstat_")] += values["calls"]
    return found


def step_after(function, after=0):
    """Return a step of catching up that takes what comes during the function, then reads.

    So does the first step, or the one after so many.
    """
    step, done = catching_up.CatchUp.step, []

    def wrapped(self):
        if len(done) == after and not self.is_done:
            done.append(None)
            function()
            return False
        if len(done) < after:
            done.append(None)
        return step(self)

    return wrapped
