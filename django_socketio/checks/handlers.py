"""The check of handlers: whether there are any, and whether they can be called."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Info

from django_socketio import events
from django_socketio.events import Event, all_events
from django_socketio.events.handlers import Registration
from django_socketio.logs import name_of


def registrations() -> Iterator[tuple[Event, Registration]]:
    """Yield each handler with its event; a handler of several events comes several times."""
    return ((event, handler) for event in all_events() for handler in event.handlers)


COMMON = "request, socket, context"
ARGUMENTS = {
    events.on_connect: COMMON,
    events.on_disconnect: COMMON,
    events.on_finish: COMMON,
    events.on_away: COMMON,
    events.on_return: COMMON,
    events.may_subscribe.event: "request, channel",
    events.on_subscribe: f"{COMMON}, channel",
    events.on_unsubscribe: f"{COMMON}, channel",
    events.on_join.event: "channel, person",
    events.on_leave.event: "channel, person",
    events.presence_info.event: "request, channel",
    events.on_error: f"{COMMON}, exception",
}
"""The arguments with which the handlers of an event are called."""

MESSAGE, NAMED = f"{COMMON}, message", f"{COMMON}, …"
MAX_ARGUMENTS = 50


def check_handlers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return an error for each handler that cannot be called; a note if there are no handlers.

    ``django_socketio.E004``: the number or the order of parameters. ``…I001``: no handlers.
    """
    if not any(True for _ in registrations()):
        return [NO_HANDLERS]
    faults = ((event, handler, _fault(event, handler)) for event, handler in registrations())
    return [_error(event, handler, fault) for event, handler, fault in faults if fault]


def _error(event: Event, handler: Registration, fault: str) -> CheckMessage:
    return Error(
        f"{name_of(handler.function)} is called with the arguments ({_arguments(event, handler)})"
        f"{fault}: its parameters are {inspect.signature(handler.function)}.",
        obj=f"@{event.name}",
        id="django_socketio.E004",
    )


def _fault(event: Event, handler: Registration) -> str | None:
    """Return what is wrong with the parameters of a handler, None if nothing is."""
    if not _takes(handler, _arguments(event, handler)):
        return ", which it does not take"
    return None if _is_in_order(handler) else " in this order"


NO_HANDLERS = Info(
    "No handler of sockets is registered.",
    hint="Write handlers into a module events.py of an installed app. A site that only pushes "
    "messages to its pages needs none.",
    id="django_socketio.I001",
)


def _arguments(event: Event, handler: Registration) -> str:
    return MESSAGE if handler.first_only else ARGUMENTS.get(event, NAMED)


def _takes(handler: Registration, arguments: str) -> bool:
    """Return whether a handler can be called with these arguments; "…" stands for any number."""
    fixed = len(arguments.split(", "))
    counts = range(fixed - 1, MAX_ARGUMENTS) if arguments is NAMED else (fixed,)
    try:
        signature = inspect.signature(handler.function, follow_wrapped=False)
    except ValueError:
        return True  # a built-in function without a signature
    return any(_binds(signature, count) for count in counts)


def _is_in_order(handler: Registration) -> bool:
    """Return whether no parameter of a function has the name of an argument of another place."""
    if not inspect.isfunction(handler.function):
        return True  # such as a partial, whose first arguments may have any meaning
    names = [*inspect.signature(handler.function, follow_wrapped=False).parameters]
    common = COMMON.split(", ")
    return all(name not in common or name == common[i] for i, name in enumerate(names[:3]))


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
