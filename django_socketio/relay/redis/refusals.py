"""Errors of Redis, and how those who publish or ask are told them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from redis.exceptions import RedisError

from django_socketio.exceptions import RelayError
from django_socketio.relay.base import NOT_TAKEN
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.redis.answers import NotRun
from django_socketio.relay.untried import NotTried


@contextmanager
def telling(text: str) -> Iterator[None]:
    """Raise RelayError, whose text begins with this one, for an error of Redis."""
    try:
        yield
    except RedisError as error:
        raise RelayError(f"{text}: {error}") from error


def refusing() -> AbstractContextManager[None]:
    """Turn errors of Redis into RelayError, whose text says that a message was not taken."""
    return telling(NOT_TAKEN)


def asking(what: str) -> AbstractContextManager[None]:
    """Turn errors of Redis into RelayError, whose text says what was asked for."""
    return telling(f"the relay cannot be asked {what}")


def told(result: Receipt | RedisError) -> Receipt | RelayError:
    """Return a receipt, or an error of Redis as publishers are told it."""
    if isinstance(result, RedisError):
        kind = NotTried if isinstance(result, NotRun) else RelayError
        return kind(f"{NOT_TAKEN}: {result}")
    return result


def accepted(result: Receipt | RedisError) -> Receipt:
    """Return a receipt, or raise the error with which Redis has refused a message."""
    if isinstance(result, RedisError):
        raise result
    return result
