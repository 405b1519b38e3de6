"""The relay that the settings name, in a server process and in any other."""

import os
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_socketio import conf
from django_socketio.channels.current import current
from django_socketio.concurrency.native import ThreadLocal
from django_socketio.concurrency.patched import is_patched
from django_socketio.exceptions import NoRelay
from django_socketio.publishing.deferring import failures
from django_socketio.publishing.values import encode_default
from django_socketio.relay.base import Relay, RelayState, RelayStatus
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.redis.connection import url_of
from django_socketio.relay.topics import Retentions, Topic
from django_socketio.server import retentions, tracing
from django_socketio.server.compat.django import is_running_tests

NO_RELAY = (
    "This process holds no sockets, and SOCKETIO_RELAY_URL is not set. A shell, a task or another "
    "server reaches sockets through Redis only: set SOCKETIO_RELAY_URL, for example to "
    "'redis://localhost:6379/0', for this process and for the server with the sockets. A single "
    "process that serves pages and sockets needs no Redis: start it by `manage.py "
    "runserver_socketio` instead of runserver"
)
NO_REDIS = "SOCKETIO_RELAY_URL needs redis-py: pip install 'django-socketio[redis]'"


def for_server(schedule: Callable[..., object], lost: Callable[[Topic], None]) -> Relay:
    """Return the relay of a server process, listening.

    Args:
        schedule: has a function called with arguments in the event loop.
        lost: called in the event loop with a topic of which messages were lost.

    Raises:
        ImproperlyConfigured: a setting has a value that cannot be used, or redis-py is missing.

    """
    return tracing.traced(_for_server(schedule, lost))


def _for_server(schedule: Callable[..., object], lost: Callable[[Topic], None]) -> Relay:
    if stays_in_process():
        return _new_outbox(retentions.from_settings())
    if conf.get("RELAY_URL") is None:
        return MemoryRelay(encode_default, retentions.from_settings(), lazily=True)
    relay = _redis().RedisRelay(_options(), encode_default, schedule, lost)
    relay.listen()
    return cast(Relay, relay)


def for_publisher() -> Relay:
    """Return the relay of a process that holds no sockets; a forked process gets one of its own.

    Raises:
        NoRelay: no relay is set, so no message leaves this process.
        ImproperlyConfigured: redis-py is missing.

    """
    if stays_in_process():
        return tracing.traced(_outbox(retentions.from_settings()))
    if conf.raw("RELAY_URL") is None:
        raise NoRelay(NO_RELAY)
    key, publishers = (os.getpid(), _options()), _publishers()
    relay = publishers.get(key)
    if relay is None:
        # Of threads that come here at the same time, each gets a relay; one stays.
        relay = tracing.traced(_redis().RedisRelay(_options(), encode_default))
        publishers.clear()
        publishers[key] = relay
    return relay


def for_caller() -> Relay:
    """Return a new relay of a process that holds no sockets, which listens for answers.

    Raises:
        NoRelay: no relay is set, so no answer can come.
        ImproperlyConfigured: redis-py is missing.

    """
    if stays_in_process() or conf.get("RELAY_URL") is None:
        return for_publisher()
    relay = _redis().RedisRelay(_options(), encode_default, has_sockets=False)
    relay.listen()
    return tracing.traced(relay)


# In tests


def stays_in_process() -> bool:
    """Return whether messages must not leave this process, because a test runner runs in it."""
    return is_running_tests() and not conf.get("RELAY_IN_TESTS")


def _new_outbox(kept: Retentions) -> Relay:
    # The tools for tests are above this module, and are imported in tests only.
    outbox = import_string("django_socketio.testing.messages.OutboxRelay")
    relay: Relay = outbox(encode_default, kept, lazily=True)
    return relay


_outbox = lru_cache(1)(_new_outbox)
"""Returns the relay of tests without a server: no socket receives its messages."""


# Forks


def forget() -> list[Relay]:
    """Forget the relays by which the parent of a forked process has published; return them."""
    relays = list(_publishers().values())
    _publishers().clear()
    return relays


def relay_status() -> RelayStatus:
    """Return the state of the relay of this process, and how many messages it did not accept."""
    server = current()
    none: RelayState = {"alive": None, "deaf_since": None, "reconnects": 0}
    state = none if server is None else server.relay.status()
    return {**state, "failed_after_commit": failures()}


def _redis() -> Any:
    """Return the module of the relay by Redis.

    Raises:
        ImproperlyConfigured: redis-py is not installed.

    """
    if not has_redis():
        raise ImproperlyConfigured(NO_REDIS)
    from django_socketio.relay.redis import relay as redis

    return redis


def has_redis() -> bool:
    """Return whether redis-py is installed."""
    return find_spec("redis") is not None


_of_process: dict[Any, Relay] = {}
_of_thread = ThreadLocal()


def _publishers() -> dict[Any, Relay]:
    """Return the relays by which this process publishes; in a patched one, this native thread.

    The locks and sockets of gevent belong to the event loop of one native thread.
    """
    if not (is_patched("threading") or is_patched("socket")):
        return _of_process
    try:
        found: dict[Any, Relay] = _of_thread.relays
    except AttributeError:
        found = _of_thread.relays = {}
    return found


@lru_cache(1)
def _options() -> Any:
    """Return the options of the relay by Redis; each message of a script asks for them."""
    return _redis().Options(
        url_of(conf.get("RELAY_URL")),
        conf.get("RELAY_PREFIX"),
        conf.get("RELAY_TIMEOUT"),
        retentions.from_settings(),
        _signing_keys() if conf.get("RELAY_SIGNING") else (),
    )


def _forget_options(**_: Any) -> None:
    _options.cache_clear()


setting_changed.connect(_forget_options)


def _signing_keys() -> tuple[bytes, ...]:
    from django_socketio.relay.signing import derived_key

    return tuple(map(derived_key, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)))
