"""The relay of a site with several processes: Redis carries messages, and keeps them a while."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django_socketio.exceptions import RelayError
from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import Deliver, Envelope, Relay
from django_socketio.relay.cluster.publisher import ClusterPublisher
from django_socketio.relay.cluster.subscriber import ClusterReader
from django_socketio.relay.cluster.topology import Node, Topology
from django_socketio.relay.redis.client import connect
from django_socketio.relay.redis.health import Pulse
from django_socketio.relay.redis.keys import Names
from django_socketio.relay.redis.publisher import Publisher
from django_socketio.relay.redis.sequencer import Lost, Receiver, Schedule
from django_socketio.relay.redis.subscriber import Reader
from django_socketio.relay.redis.url import RelayURL
from django_socketio.relay.signing import Signing

AnyPublisher = Publisher | ClusterPublisher
AnyReader = Reader | ClusterReader


@dataclass(frozen=True, slots=True)
class Options:
    """How a relay uses Redis. Times are in seconds.

    ``signing_keys`` sign messages (the first one) and are accepted; without any, nothing is signed.
    """

    url: str = field(repr=False)
    prefix: str = "socketio"
    timeout: float = 2.0
    log_size: int = 1000
    log_bytes: int = 1_000_000
    log_seconds: float = 60.0
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)


def _call(function: Any, *args: Any) -> None:
    function(*args)


def _tell_nobody(topic: str) -> None:
    pass


class RedisRelay(Relay):
    """Publishes through Redis; after ``listen``, also hears from it.

    Args:
        default: turns values into ones that JSON knows.
        schedule: how ``deliver`` is called: in the server's event loop.
        lost: called, as ``deliver``, with a topic of which messages were lost.

    Raises:
        ValueError: the URL or the prefix cannot be used.

    """

    def __init__(
        self,
        options: Options,
        default: Default | None = None,
        schedule: Schedule = _call,
        lost: Lost = _tell_nobody,
    ) -> None:
        self._options = options
        self._default = default
        self._url = RelayURL.parse(options.url)
        self._names = Names(options.prefix, self._url.database)
        self._publisher: AnyPublisher
        self._reader: AnyReader
        if self._url.is_cluster:
            self._publisher, self._reader = self._of_cluster()
        else:
            self._publisher, self._reader = self._of_one()
        keys = options.signing_keys
        self._signing = Signing(keys, options.log_seconds) if keys else None
        self._receiver = Receiver(self._publisher, self._names, schedule, lost, self._signing)

    def _of_one(self) -> tuple[AnyPublisher, AnyReader]:
        timeout = self._options.timeout
        client = connect(self._url, timeout)
        publisher = self._publisher_by(client, timeout / 2)
        pulse = Pulse(publisher, self._names, f"self,{secrets.token_hex(8)}", timeout)
        return publisher, Reader(client, self, pulse, timeout)

    def _of_cluster(self) -> tuple[AnyPublisher, AnyReader]:
        timeout = self._options.timeout
        topology = Topology(self._url, timeout / 2)

        def publisher_at(node: Node) -> Publisher:
            return self._publisher_by(topology.client(node), timeout / 4, "SPUBLISH")

        publisher = ClusterPublisher(topology, self._names, publisher_at, timeout / 2)

        def new_pulse(topic: str) -> Pulse:
            return Pulse(publisher, self._names, topic, timeout)

        return publisher, ClusterReader(topology, self, new_pulse, timeout)

    def _publisher_by(self, client: Any, timeout: float, command: str = "PUBLISH") -> Publisher:
        options = self._options
        log = (options.log_size, options.log_bytes, options.log_seconds)
        return Publisher(client, self._names, *log, timeout, command)

    def __str__(self) -> str:
        return f"{'Redis Cluster' if self._url.is_cluster else 'Redis'} at {self._url}"

    def publish(self, envelope: Envelope) -> int:
        """Hand the envelope on; return how many processes received it, for each topic."""
        message = wire.encode(envelope, self._default)
        if self._signing is not None:
            message = self._signing.sign(message)
        received = self._publisher.publish(envelope.topics, message, envelope.id)
        if not received and self._hears_any(envelope.topics):
            raise RelayError("the relay did not take the message: this process does not hear it")
        return received

    def _hears_any(self, topics: Iterable[str]) -> bool:
        # Nobody received what sockets here should have: the listening connection is broken.
        return any(self._reader.hears(self._names.channel(topic)) for topic in topics)

    def listen(self) -> None:
        """Begin to hear from Redis; keeps trying where Redis is away."""
        self._reader.start()

    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Have ``deliver`` called with the envelopes of a topic; waits for Redis's word on it."""
        if self._receiver.add(topic, deliver):
            has_past = not topic.startswith("socket,")  # nobody sent to a new socket's id before
            self._receiver.locate(topic, has_past)
        self._receiver.wait_until_located(topic, self._options.timeout)
        self._reader.subscribe(self._names.channel(topic))

    def unsubscribe(self, topic: str) -> None:
        """Receive no more envelopes of a topic."""
        self._receiver.remove(topic)
        self._reader.unsubscribe(self._names.channel(topic))

    def status(self) -> dict[str, Any]:
        """Return whether it is alive, since when it is deaf, and how often it connected again."""
        reader = self._reader
        return {
            "alive": reader.alive,
            "deaf_since": reader.deaf_since,
            "reconnects": reader.reconnects,
        }

    def descriptors(self) -> list[int]:
        """Return the descriptors of all its connections."""
        return [*self._publisher.descriptors(), *self._reader.descriptors()]

    def close(self) -> None:
        """Stop listening, and close all connections."""
        self._reader.stop()
        self._publisher.close()

    # What the reader tells, in its thread

    def channel_received(self, channel: str, data: bytes) -> None:
        """Take a message."""
        self._receiver.receive(self._names.topic(channel), data)

    def left(self, channel: str, doubtful: bool) -> None:
        """Note how a channel left its node of a cluster."""
        self._receiver.left(self._names.topic(channel), doubtful)

    def connected(self, channels: list[str], unheard: float | None = None) -> None:
        """Catch up with what came while nothing was heard."""
        log_seconds = self._options.log_seconds if self._options.log_size else 0
        kept = unheard is not None and unheard < log_seconds
        self._receiver.catch_up([self._names.topic(channel) for channel in channels], kept)
