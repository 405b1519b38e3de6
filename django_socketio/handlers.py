"""The handlers of an event, and which of them a channel concerns."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MATCHES_REMEMBERED = 10_000
"""Channels, and sets of them that sockets are on, for which the matching handlers are known."""


after_handler: list[Callable[[Callable[..., Any]], None]] = []
"""Called with each function of the project's that has run; empty while there is no need."""


def name_of(function: Callable[..., Any]) -> str:
    """Return what the log calls a handler."""
    function = inspect.unwrap(function)
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else repr(function)


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the project's, and clean up after it."""
    try:
        return function(*args)
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

    def call(
        self, request: Any, socket: Any, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        """Call the handler with an event's arguments."""
        if self.first_only:
            args = args[:1] or (None,)
        try:
            return self.function(request, socket, context, *args)
        finally:
            for clean_up in after_handler:
                clean_up(self.function)


class ThreadedRegistration(Registration):
    """A handler that runs in a thread of its own."""

    __slots__ = ()

    def call(
        self, request: Any, socket: Any, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        """Call the handler; only its socket waits for it."""
        return socket.threads.run(Registration.call, self, request, socket, context, args)


class Handlers:
    """Handlers of one event, in the order in which they were registered."""

    relevant: Callable[[str, tuple[str, ...]], tuple[Registration, ...]]
    """Returns those of a namespace that an event on some channels concerns: handlers without a
    pattern, and those whose pattern matches a channel. It remembers what it has returned."""

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
        remembering = lru_cache(MATCHES_REMEMBERED)
        self.registrations = registrations
        self._matching = remembering(self._match)
        self.relevant = remembering(self._find)

    def send(
        self,
        channels: tuple[str, ...],
        request: Any,
        socket: Any,
        context: dict[str, Any],
        args: tuple[Any, ...],
    ) -> Any:
        """Call those that an event on some channels concerns; return the first answer."""
        answer = None
        for registration in self.relevant(socket.namespace, channels):
            result = registration.call(request, socket, context, args)
            if answer is None:
                answer = result
        return answer

    def _find(self, namespace: str, channels: tuple[str, ...]) -> tuple[Registration, ...]:
        if len(channels) <= 1:
            return self._matching(namespace, *channels)
        found = {r for channel in channels for r in self._matching(namespace, channel)}
        return tuple(r for r in self.registrations if r in found)

    def _match(self, namespace: str, channel: str | None = None) -> tuple[Registration, ...]:
        return tuple(
            r
            for r in self.registrations
            if r.namespace == namespace
            and (r.pattern is None or (channel is not None and r.pattern.match(channel)))
        )
