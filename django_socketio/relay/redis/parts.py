"""The parts of a relay: those for one Redis, and those for a cluster."""

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from django_socketio.relay.cluster.asker import ClusterAsker
from django_socketio.relay.cluster.listeners import ClusterListeners
from django_socketio.relay.cluster.log import ClusterLog
from django_socketio.relay.cluster.publisher import ClusterPublisher
from django_socketio.relay.cluster.router import NodeAccess, Router
from django_socketio.relay.cluster.subscriber import ClusterObserver, ClusterSubscriber
from django_socketio.relay.cluster.topology import Node, Topology
from django_socketio.relay.redis.client import connect
from django_socketio.relay.redis.health import HealthCheck
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.listeners import Listeners, RedisListeners, Unlisted
from django_socketio.relay.redis.log import MessageLog, RedisLog
from django_socketio.relay.redis.observer import SubscriptionObserver
from django_socketio.relay.redis.publisher import MessagePublisher, RedisPublisher
from django_socketio.relay.redis.rosters import Asker, RedisAsker
from django_socketio.relay.redis.subscriber import RedisSubscriber
from django_socketio.relay.redis.url import RelayURL
from django_socketio.relay.topics import DEFAULT_RETENTIONS, Retentions, Topic, TopicKind


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a relay through Redis.

    Args:
        url: where Redis is.
        prefix: of all keys and channels of the site.
        timeout: seconds that Redis may take.
        retentions: what the log of each topic keeps.
        signing_keys: the first one signs messages, and all are accepted; none: nothing is signed.

    """

    url: str = field(repr=False)
    prefix: str = "socketio"
    timeout: float = 2.0
    retentions: Retentions = DEFAULT_RETENTIONS
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)


class Parts(NamedTuple):
    """The parts of a relay that differ between one Redis and a cluster.

    Attributes:
        publisher: publishes.
        log: is read by the callers of the relay.
        listeners: the processes that listen.
        subscriber: receives.
        heard_log: is read by the subscriber, on connections that nothing else can occupy.
        asker: asks for what is in rosters.

    """

    publisher: MessagePublisher
    log: MessageLog
    listeners: Listeners
    subscriber: RedisSubscriber | ClusterSubscriber
    heard_log: MessageLog
    asker: Asker


class PartsBuilder:
    """Builds the parts of a relay.

    Args:
        url: where Redis is, as read from the options.
        has_sockets: whether publishers expect this process to listen, once it does.

    """

    def __init__(
        self, options: Options, url: RelayURL, keyspace: Keyspace, has_sockets: bool
    ) -> None:
        self._options = options
        self._url = url
        self._keyspace = keyspace
        self._has_sockets = has_sockets

    def build(self, observer: ClusterObserver) -> Parts:
        """Return the parts; ``observer`` is told what the subscriber receives."""
        build = self._parts_of_cluster if self._url.is_cluster else self._parts_of_one
        return build(observer)

    def _parts_of_one(self, observer: SubscriptionObserver) -> Parts:
        timeout = self._options.timeout
        client, hearing = connect(self._url, timeout), connect(self._url, timeout)
        log = RedisLog(client, self._keyspace)
        publisher = self._publisher_by(client, log, timeout / 2)
        topic = Topic(TopicKind.HEALTH, "", secrets.token_hex(8))
        listeners = RedisListeners(publisher, self._keyspace)
        health = self._health(publisher, listeners, topic)
        subscriber = RedisSubscriber(hearing, observer, health, timeout)
        heard_log, asker = RedisLog(hearing, self._keyspace), RedisAsker(publisher)
        return Parts(publisher, log, listeners, subscriber, heard_log, asker)

    def _parts_of_cluster(self, observer: ClusterObserver) -> Parts:
        timeout = self._options.timeout
        topology = Topology(self._url, timeout / 2)

        def access(node: Node, hears: bool = False) -> NodeAccess:
            client = topology.client(node, hears)
            log = RedisLog(client, self._keyspace, is_node=True)
            publisher = self._publisher_by(client, log, timeout / 4, "SPUBLISH")
            return NodeAccess(publisher, log)

        router = Router(topology, access, timeout / 2)
        hearing = Router(topology, partial(access, hears=True), timeout / 2)
        publisher = ClusterPublisher(router, self._keyspace)
        listeners = ClusterListeners(router, self._keyspace)

        def health(topic: Topic) -> HealthCheck:
            return self._health(publisher, listeners, topic)

        subscriber = ClusterSubscriber(topology, observer, health, timeout)
        logs = [ClusterLog(one, self._keyspace) for one in (router, hearing)]
        return Parts(publisher, logs[0], listeners, subscriber, logs[1], ClusterAsker(router))

    def _health(
        self, publisher: MessagePublisher, listeners: Listeners, topic: Topic
    ) -> HealthCheck:
        known = listeners if self._has_sockets else Unlisted()
        return HealthCheck(publisher, self._keyspace, known, topic, self._options.timeout)

    def _publisher_by(
        self, client: Any, log: RedisLog, timeout: float, command: str = "PUBLISH"
    ) -> RedisPublisher:
        retentions = self._options.retentions
        return RedisPublisher(client, self._keyspace, log, retentions, timeout, command)
