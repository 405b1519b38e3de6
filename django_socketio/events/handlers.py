"""The handlers of an event, and which of them a channel concerns."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction

from django_socketio.exceptions import WrongArguments
from django_socketio.logs import name_of

REMEMBERED_BYTES = 2_000_000
"""Memory of one event for the channels, and sets of channels, whose handlers are known."""

ENTRY_BYTES = 200
"""Memory of one entry, its channels' names aside."""

UNHANDLED: Any = object()
"""The answer to an event that no handler takes: it is not answered."""

after_handler: list[Callable[[Callable[..., Any]], None]] = []
"""Called with each function of the project's that has run; empty while there is no need."""


def check_arguments(function: Callable[..., Any], args: tuple[Any, ...], sent: int) -> None:
    """Check that a function can be called with ``args``, the last ``sent`` being the client's.

    Raises:
        WrongArguments: it takes others.

    """
    try:
        # Of the function that is called: a decorator may hand other arguments to what it wraps.
        inspect.signature(function, follow_wrapped=False).bind(*args)
    except ValueError:
        return  # a signature that cannot be known
    except TypeError as error:
        wrong = WrongArguments(
            f"{name_of(function)}{inspect.signature(function)} does not take the {sent} "
            f"argument(s) that the client sent: {error}"
        )
        wrong.handler = function
        raise wrong from None


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a call of the function returns a coroutine."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the project's with a client's answer, and clean up after it.

    Raises:
        WrongArguments: the function takes other arguments.

    """
    run = async_to_sync(function) if is_async(function) else function
    try:
        return run(*args)
    except TypeError:
        check_arguments(function, args, len(args))
        raise
    finally:
        for clean_up in after_handler:
            clean_up(function)


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """A handler, and what it was registered for."""

    function: Callable[..., Any]
    pattern: re.Pattern[str] | None
    namespace: str
    first_only: bool = False
    """Whether it takes the first argument of an event only, instead of all."""
    run: Callable[..., Any] = field(init=False)
    """Calls the function; an asynchronous one in an event loop, while this greenlet waits."""

    def __post_init__(self) -> None:
        run = async_to_sync(self.function) if is_async(self.function) else self.function
        object.__setattr__(self, "run", run)

    def call(
        self, request: Any, socket: Any, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        """Call the handler with an event's arguments."""
        if self.first_only:
            args = args[:1] or (None,)
        try:
            return self.run(request, socket, context, *args)
        except TypeError:
            check_arguments(self.function, (request, socket, context, *args), len(args))
            raise
        finally:
            for clean_up in after_handler:
                clean_up(self.function)


class Handlers:
    """Handlers of one event, in the order in which they were registered."""

    def __init__(self) -> None:
        self._replace(())

    def __iter__(self) -> Iterator[Registration]:
        return iter(self.registrations)

    def add(self, registration: Registration) -> None:
        """Add a handler after the others."""
        self._replace((*self.registrations, registration))

    def remove(self, function: Callable[..., Any]) -> None:
        """Remove all registrations of a function."""
        self._replace(tuple(r for r in self.registrations if r.function is not function))

    def clear(self) -> None:
        """Remove all handlers."""
        self._replace(())

    def _replace(self, registrations: tuple[Registration, ...]) -> None:
        self.registrations = registrations
        self._has_patterns = any(r.pattern is not None for r in registrations)
        self._plain: dict[str, tuple[Registration, ...]] = {
            r.namespace: self._find(r.namespace, ()) for r in registrations
        }
        self._remembered = Remembered()

    def relevant(self, namespace: str, channels: tuple[str, ...]) -> tuple[Registration, ...]:
        """Return the handlers of a namespace that an event on some channels concerns.

        These are the handlers without a pattern, and those whose pattern matches a channel.
        """
        if not self._has_patterns or not channels:
            return self._plain.get(namespace, ())
        found = self._remembered.get((namespace, channels))
        if found is None:
            found = self._find(namespace, channels)
            self._remembered.add((namespace, channels), found)
        return found

    def send(
        self,
        channels: tuple[str, ...],
        request: Any,
        socket: Any,
        context: dict[str, Any],
        args: tuple[Any, ...],
    ) -> Any:
        """Call those that an event on some channels concerns.

        Returns the first answer that is not None; ``UNHANDLED`` if the event concerns no handler.
        """
        registrations = self.relevant(socket.namespace, channels)
        answer = None if registrations else UNHANDLED
        for registration in registrations:
            result = registration.call(request, socket, context, args)
            if answer is None:
                answer = result
        return answer

    def _find(self, namespace: str, channels: tuple[str, ...]) -> tuple[Registration, ...]:
        if len(channels) <= 1:
            return tuple(r for r in self.registrations if _concerns(r, namespace, channels))
        found = {r for channel in channels for r in self.relevant(namespace, (channel,))}
        return tuple(r for r in self.registrations if r in found)


def _concerns(registration: Registration, namespace: str, channels: tuple[str, ...]) -> bool:
    pattern = registration.pattern
    return registration.namespace == namespace and (
        pattern is None or any(pattern.match(channel) for channel in channels)
    )


Key = tuple[str, tuple[str, ...]]


class Remembered:
    """The handlers that were found for channels, as long as their names take little memory.

    Names are chosen by clients, so their bytes count and not their number. Past the limit, the
    entries that were added first are forgotten.
    """

    __slots__ = ("_entries", "_size", "get")

    def __init__(self) -> None:
        self._entries: dict[Key, tuple[Registration, ...]] = {}
        self._size = 0
        self.get = self._entries.get

    def add(self, key: Key, found: tuple[Registration, ...]) -> None:
        """Remember the handlers for a namespace and channels."""
        self._entries[key] = found
        self._size += _size(key)
        while self._size > REMEMBERED_BYTES:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            self._size -= _size(oldest)


def _size(key: Key) -> int:
    """Return about how many bytes an entry takes, with the names that it keeps."""
    return ENTRY_BYTES + sum(map(getsizeof, key[1])) + getsizeof(key[1])
