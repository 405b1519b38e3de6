"""What is compared through Redis: servers with their adapters, and what publishes from outside."""

from dataclasses import dataclass, field, replace

from benchmarks.servers import PYTHON, SERVERS, Server

REDIS = "REDIS"
"""Stands for the URL in command lines and variables."""


@dataclass(frozen=True)
class Relay:
    """A server with Redis behind it.

    Args:
        name: what selects it on the command line.
        title: its name in tables.
        server: its server, without Redis.
        arguments: what its command line has more.
        environ: variables of the server and of the publisher.
        publisher: the module that publishes, or Node's program.

    """

    name: str
    title: str
    server: Server
    publisher: tuple
    arguments: tuple = ()
    environ: dict = field(default_factory=dict)

    def with_redis(self, url):
        """Return the server as it runs with a Redis."""
        return replace(
            self.server,
            name=self.name,
            title=self.title,
            command=tuple(filled([*self.server.command, *self.arguments], url)),
            environ={**self.server.environ, **self.variables(url)},
        )

    def variables(self, url):
        """Return the variables, with the URL filled in."""
        return dict(zip(self.environ, filled(self.environ.values(), url), strict=True))

    def publish(self, url, seconds, rate):
        """Return the command line that publishes."""
        return [*self.publisher, url, str(seconds), str(rate)]


def filled(words, url):
    """Return words with the URL in its place."""
    return [url if word == REDIS else word for word in words]


def script(name):
    """Return the command line of one of our publishers."""
    return (PYTHON, "-m", f"benchmarks.publishers.{name}")


def node(kind):
    """Return the command line of Node's publisher."""
    return ("node", "benchmarks/peers/publish.mjs", kind)


def channels(name, title, layer):
    """Return Channels on a layer of ``channels_redis``."""
    environ = {"BENCH_REDIS": REDIS, "BENCH_LAYER": f"channels_redis.{layer}"}
    return Relay(name, title, SERVERS["channels-uvicorn"], script("channels"), environ=environ)


WITH_REDIS = {"BENCH_REDIS": REDIS}

RELAYS = {
    relay.name: relay
    for relay in (
        Relay("ours", "django-socketio", SERVERS["ours"], script("ours"), environ=WITH_REDIS),
        Relay(
            "ours-no-log",
            "django-socketio, SOCKETIO_RELAY_LOG=0",
            SERVERS["ours"],
            script("ours"),
            environ={**WITH_REDIS, "BENCH_RELAY_LOG": "0"},
        ),
        Relay(
            "node-pubsub",
            "Socket.IO, Redis adapter",
            SERVERS["node"],
            node("pubsub"),
            (REDIS, "pubsub"),
        ),
        Relay(
            "node-streams",
            "Socket.IO, Redis Streams adapter",
            SERVERS["node"],
            node("streams"),
            (REDIS, "streams"),
        ),
        Relay(
            "psio-gevent",
            "python-socketio, RedisManager",
            SERVERS["psio-gevent"],
            script("python_socketio"),
            (REDIS,),
        ),
        channels("channels", "channels_redis", "core.RedisChannelLayer"),
        channels("channels-pubsub", "channels_redis, pub/sub", "pubsub.RedisPubSubChannelLayer"),
    )
}
