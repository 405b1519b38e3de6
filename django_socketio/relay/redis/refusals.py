"""Errors of Redis, and how those who publish or ask are told them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from redis.exceptions import RedisError

from django_socketio.exceptions import RelayError
from django_socketio.relay.base import NOT_TAKEN, UNKNOWN
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.redis.answers import NotRun
from django_socketio.relay.redis.lost_answers import Unanswered
from django_socketio.relay.untried import NotTried


@contextmanager
def telling(text_of: Callable[[RedisError], str]) -> Iterator[None]:
    """Raise RelayError for an error of Redis, with the text that a function returns."""
    try:
        yield
    except RedisError as error:
        raise RelayError(text_of(error)) from error


def reason_of(error: RedisError, part: str = "") -> str:
    """Return how publishers are told an error.

    Args:
        part: what is said of the part of a message that has the error.

    """
    is_unknown = isinstance(error, Unanswered) and not error.is_refused
    return f"{UNKNOWN if is_unknown else NOT_TAKEN}{part}: {error}"


def refusing() -> AbstractContextManager[None]:
    """Turn errors of Redis into RelayError, whose text says whether a message was taken."""
    return telling(reason_of)


def asking(what: str) -> AbstractContextManager[None]:
    """Turn errors of Redis into RelayError, whose text says what was asked for."""
    return telling(lambda error: f"the relay cannot be asked {what}: {error}")


def told(result: Receipt | RedisError) -> Receipt | RelayError:
    """Return a receipt, or an error of Redis as publishers are told it."""
    if isinstance(result, RedisError):
        kind = NotTried if isinstance(result, NotRun) else RelayError
        return kind(reason_of(result))
    return result


def accepted(result: Receipt | RedisError) -> Receipt:
    """Return a receipt, or raise the error with which Redis has refused a message."""
    if isinstance(result, RedisError):
        raise result
    return result
