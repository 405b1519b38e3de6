"""The handlers of an event, in the order in which they were registered."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from asgiref.sync import async_to_sync, iscoroutinefunction

from django_socketio.exceptions import EventError, WrongArguments
from django_socketio.logs import name_of

if TYPE_CHECKING:  # these import gevent
    from django_socketio.channels.recovery import Past, Wanted
    from django_socketio.relay.envelope import StreamPosition

Call = Callable[[Any, Any, dict[str, Any], tuple[Any, ...]], Any]
"""Takes a request, a socket, its context and an event's arguments; returns the answer."""


class Subscriptions(Protocol):
    """The channels that a socket is on, as events use them."""

    names: tuple[str, ...]

    begin: "StreamPosition | None"
    """The position after which the messages of the channel come that was joined last."""

    asked: tuple[str, ...]
    """The channels that the client has asked for; their messages come after the answer."""

    max_channels: int
    """How many channels the socket may be on."""

    def join(self, channel: Any, pending: bool) -> bool:
        """Join a channel; its messages are buffered while the subscription is pending."""

    def read_replay(self, channel: str) -> "Past | None":
        """Read what a new subscriber gets unasked, before it is admitted."""

    def watch(self, channel: str, since: Any) -> None:
        """Have the client told who is on a channel."""

    def leave(self, channel: Any) -> bool:
        """Leave a channel; return False if the socket was not on it."""

    def past(self, channel: str, wanted: "Wanted") -> "Past":
        """Return what the client wants of the past of a channel that it is on."""


class DispatchedSocket(Protocol):
    """A socket, as events use it."""

    event_channel: str | None
    """The channel that the client named for the event that is handled."""

    @property
    def namespace(self) -> str:
        """The Socket.IO namespace that the socket is connected to."""

    @property
    def subscriptions(self) -> Subscriptions:
        """The channels that the socket is on."""

    @property
    def tells_positions(self) -> bool:
        """Whether the client is told positions of its channels, because it keeps them."""


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """A handler, and the namespace and channels that it was registered for."""

    function: Callable[..., Any]
    pattern: re.Pattern[str] | None
    namespace: str
    first_only: bool = False
    """Whether the handler takes the first argument of an event only, instead of all."""
    run: Callable[..., Any] = field(init=False)
    """Calls the function; an asynchronous one in an event loop, while this greenlet waits."""

    def __post_init__(self) -> None:
        _refuse_generator(self.function)
        object.__setattr__(self, "run", as_synchronous(self.function))

    def call(self, *args: Any) -> Any:
        """Call the function, and return its answer; see ``checked``."""
        return checked(self.run(*args), self.function)

    def concerns(self, namespace: str, channels: tuple[str, ...]) -> bool:
        """Return whether an event of a namespace, on some channels, is for this handler.

        A handler without a pattern gets all events of its namespace.
        """
        match = None if self.pattern is None else self.pattern.match
        return self.namespace == namespace and (match is None or any(map(match, channels)))


class Handlers:
    """Handlers of one event, in the order in which they were registered.

    Attributes:
        added: called with the handlers of an event and each registration that they get. The
            package's test tools use it to remove what a test has registered.
        registrations: the handlers. Each change puts another tuple in the place of this one.

    """

    added: "ClassVar[Callable[[Handlers, Registration], None] | None]" = None

    def __init__(self) -> None:
        self.registrations: tuple[Registration, ...] = ()

    def __iter__(self) -> Iterator[Registration]:
        return iter(self.registrations)

    def add(self, registration: Registration) -> None:
        """Add a handler after the others."""
        self.registrations = (*self.registrations, registration)
        if Handlers.added is not None:
            Handlers.added(self, registration)

    def discard(self, registration: Registration) -> None:
        """Remove one registration, if it is there."""
        self.registrations = tuple(r for r in self.registrations if r is not registration)

    def remove(self, function: Callable[..., Any]) -> None:
        """Remove all registrations of a function."""
        self.registrations = tuple(r for r in self.registrations if r.function is not function)

    def compose_again(self) -> None:
        """Have pipelines compose the calls of the handlers again: a layer has changed."""
        self.registrations = tuple([*self.registrations])

    def clear(self) -> None:
        """Remove all handlers."""
        self.registrations = ()


def _refuse_generator(function: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise EventError(
            f"{name_of(function)} is a generator: its call would run nothing. A handler returns "
            "its answer; it contains no yield"
        )


def as_synchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs a coroutine function to its end; others as they are."""
    return async_to_sync(function) if is_async(function) else function


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a call of the function returns a coroutine."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def checked(answer: Any, function: Callable[..., Any]) -> Any:
    """Return the answer of a function, which nothing has to await.

    Raises:
        TypeError: it is a coroutine or another awaitable, so what was called has not run.

    """
    if not hasattr(type(answer), "__await__"):
        return answer
    if close := getattr(answer, "close", None):
        close()  # or Python warns of a coroutine that was never awaited
    raise TypeError(
        f"{name_of(function)} has not run: its call returned a {type(answer).__name__}, which "
        "nothing awaits. A decorator around an `async def` handler must be asynchronous as well"
    )


def check_arguments(function: Callable[..., Any], args: tuple[Any, ...], sent: int) -> None:
    """Check that a function can be called with ``args``, the last ``sent`` being the client's.

    Raises:
        WrongArguments: the function takes other arguments.

    """
    try:
        # Of the function that is called: a decorator may hand other arguments to what it wraps.
        inspect.signature(function, follow_wrapped=False).bind(*args)
    except ValueError:
        return  # a built-in function without a signature
    except TypeError as error:
        wrong = WrongArguments(
            f"{name_of(function)}{inspect.signature(function)} does not take the {sent} "
            f"argument(s) that the client sent: {error}"
        )
        wrong.handler = function
        raise wrong from None
