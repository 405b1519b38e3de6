"""The way of an event to its handlers, with layers around each step.

A *call* takes a request, a socket, its context and the event's arguments, and returns the answer.
There are three kinds of calls, one within the other::

    message   what a client sent, by its name   ("typing", "subscribe")
    event     all handlers of one decorator     (on_event("typing"), on_connect)
    handler   one function                      (chat.events.typing)

A *layer* works like Django's middleware: it gets the call that it stands around, and the thing that
is called, and returns another call, or the same one where the layer has nothing to do. Layers are
applied when a handler is first needed, not at each event, so that a layer costs nothing where it
returned the call that it got. ``server/bootstrap.py`` lists the layers of a server.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django_socketio import events
from django_socketio.concurrency.repeated import RepeatedErrors
from django_socketio.events import Event
from django_socketio.events.client_events import ClientEvents
from django_socketio.events.failures import Failures
from django_socketio.events.for_channel import for_channel
from django_socketio.events.handlers import Call, Handlers, Registration, check_arguments, checked
from django_socketio.events.lists import each_of_list
from django_socketio.events.remembered import Calls, Remembered
from django_socketio.events.subscribing import asking, subscribing, unsubscribing
from django_socketio.events.unhandled import log_for_debugging
from django_socketio.events.watching import watch
from django_socketio.logs import name_of
from django_socketio.protocol.socketio.names import PRESENCE

MessageLayer = Callable[[Call, str], Call]
"""Stands around all that a client's message causes; gets the message's name."""

EventLayer = Callable[[Call, Event], Call]
"""Stands around the handlers of an event together, also where there are none."""

HandlerLayer = Callable[[Call, Registration], Call]
"""Stands around a single handler."""

Innermost = Callable[[Registration], Call]
"""Returns the call of a handler, without layers."""

UNHANDLED: Any = object()
"""The answer to an event that concerns no handler: such an event is not acknowledged."""

ANSWER = Event("callback")
"""The answer of a client to ``socket.emit(…, callback=…)``: its handler is the callback."""

READMISSION = Event("readmission", names_channel=True)
"""The question whether a client that comes back may have a channel; it has no handlers."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of a server, the outermost of each kind first."""

    messages: Sequence[MessageLayer] = ()
    events: Sequence[EventLayer] = ()
    handlers: Sequence[HandlerLayer] = ()


NO_LAYERS = Layers()


class _Messages(dict[str, Call]):
    """The calls for messages by their name, each composed when such a message first comes."""

    def __init__(self, find: Callable[[str], Call]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: str) -> Call:
        return self._find(name)


class Pipeline:
    """The calls of a server, composed from the registered handlers and the server's layers.

    Args:
        errors: writes errors of handlers into the log.
        layers: the layers around messages, events and handlers.
        unhandled: gets the socket and the name of each message that no handler takes.
        client_events: relays events for channels that no handler takes; None where no event is.

    Attributes:
        messages: the calls for what clients send, by its name.
        connect, subscribe, unsubscribe, disconnect, finish, error: call the handlers of
            ``on_connect`` and so on. ``subscribe`` and ``unsubscribe`` take the channel.
        away, comes_back: call the handlers of ``on_away`` and ``on_return``.
        stays, readmit: answer ``False`` if a function of ``may_subscribe`` refuses a client its
            channel. ``readmit`` is for one that comes back: settings may refuse as well, by an
            exception.
        presence_info: calls the functions of this decorator, with the channel.
        answer: calls a callback, its first argument, with the others.
        failures: reports errors of handlers, to the log and to ``on_error``.

    """

    def __init__(
        self,
        errors: RepeatedErrors,
        layers: Layers = NO_LAYERS,
        unhandled: Callable[[Any, str], None] = log_for_debugging,
        client_events: ClientEvents | None = None,
    ) -> None:
        self._layers = layers
        self._unhandled = unhandled
        self.client_events = client_events
        self.connect = self._event(events.on_connect)
        self._may_subscribe = self._dispatcher(events.may_subscribe.event, _predicate).dispatch
        self.subscribe = self._subscribe()
        self.unsubscribe = self._event(events.on_unsubscribe)
        self.presence_info = self._function(events.presence_info.event)
        self.disconnect = self._event(events.on_disconnect)
        self.finish = self._event(events.on_finish)
        self.error = self._event(events.on_error)
        self.away = self._event(events.on_away)
        self.comes_back = self._event(events.on_return)
        self.stays = self._asking(events.may_subscribe.event)
        self.readmit = self._asking(READMISSION)
        self.failures = Failures(errors, self.error)
        self.answer = _compose(self._call_back, ANSWER, self._layers.events)
        self.messages = _Messages(self._find)
        self._take_lists("subscribe", subscribing(self.subscribe))
        self._take_lists("unsubscribe", unsubscribing(self.unsubscribe))
        self.messages[PRESENCE] = self._message(PRESENCE, watch)
        self.messages["channel"] = for_channel(
            self.messages.__getitem__, events.RESERVED.__contains__
        )

    def around(self, function: Callable[[], Any]) -> Call:
        """Return a call of a function that is no handler, with the layers of handlers around it."""
        registration = Registration(function, None, "/")
        return _compose(_callback(registration), registration, self._layers.handlers)

    def _find(self, name: str) -> Call:
        event, nothing = events.on_event.get(name), self._nothing(name)
        if event is None:
            return self._message(name, nothing)  # not kept: clients choose such names
        call = self.messages[name] = self._message(name, self._event(event, nothing))
        return call

    def _take_lists(self, name: str, call: Call) -> None:
        self.messages[name] = each_of_list(self._message(name, call), name)

    def _nothing(self, name: str) -> Call:
        relay = None if self.client_events is None else self.client_events.relay

        def leave_unhandled(request: Any, socket: Any, context: Any, args: Any) -> Any:
            if relay is not None and socket.event_channel is not None:
                return relay(socket, name, args, socket.event_channel)
            self._unhandled(socket, name)
            return UNHANDLED

        return leave_unhandled

    def _message(self, name: str, call: Call) -> Call:
        return _compose(call, name, self._layers.messages)

    def _event(self, event: Event, otherwise: Call | None = None) -> Call:
        dispatch = self._dispatcher(event, _handler, otherwise).dispatch
        return _compose(dispatch, event, self._layers.events)

    def _dispatcher(
        self, event: Event, innermost: Innermost, otherwise: Call | None = None
    ) -> "Dispatcher":
        return Dispatcher(event, self._layers.handlers, otherwise or _leave_unhandled, innermost)

    def _asking(self, event: Event) -> Call:
        return _compose(self._may_subscribe, event, self._layers.events)

    def _subscribe(self) -> Call:
        event = events.on_subscribe
        dispatch = self._dispatcher(event, _handler).dispatch
        return _compose(asking(self._may_subscribe, dispatch), event, self._layers.events)

    def _function(self, event: Event) -> Call:
        dispatch = self._dispatcher(event, _plain_function).dispatch
        return _compose(dispatch, event, self._layers.events)

    def _call_back(self, request: Any, socket: Any, context: Any, args: Any) -> Any:
        registration = Registration(args[0], None, socket.namespace)
        call = _compose(_callback(registration), registration, self._layers.handlers)
        return call(request, socket, context, args[1:])


Target = TypeVar("Target")


def _compose(call: Call, target: Target, layers: Iterable[Callable[[Call, Target], Call]]) -> Call:
    """Return a call with the layers around it, the first one outermost."""
    for layer in reversed([*layers]):
        call = layer(call, target)
    return call


def _leave_unhandled(request: Any, socket: Any, context: Any, args: Any) -> Any:
    return UNHANDLED


def _handler(registration: Registration) -> Call:
    """Return the call of a handler, without layers."""
    run, function, first_only = registration.run, registration.function, registration.first_only

    def call_handler(request: Any, socket: Any, context: Any, args: Any) -> Any:
        if first_only:
            args = args[:1] or (None,)
        try:
            answer: Any = run(request, socket, context, *args)
            return answer if answer is None else checked(answer, function)
        except TypeError:
            check_arguments(function, (request, socket, context, *args), len(args))
            raise

    return call_handler


def _predicate(registration: Registration) -> Call:
    """Return the call of a function that admits clients to channels: None if it does, or False."""
    function = registration.function

    def ask(request: Any, socket: Any, context: Any, args: Any) -> Any:
        answer = registration.call(request, *args)
        if not isinstance(answer, bool):
            raise TypeError(
                f"{name_of(function)} must return True or False (@may_subscribe), not "
                f"{answer!r:.100}"
            )
        return None if answer else False

    return ask


def _plain_function(registration: Registration) -> Call:
    """Return the call of a function that takes the request and the arguments of its event."""
    return lambda request, socket, context, args: registration.call(request, *args)


def _callback(registration: Registration) -> Call:
    """Return the call of a callback, which takes the client's arguments only."""

    def call_back(request: Any, socket: Any, context: Any, args: Any) -> Any:
        try:
            return registration.call(*args)
        except TypeError:
            check_arguments(registration.function, args, len(args))
            raise

    return call_back


class Dispatcher:
    """Calls those handlers of one event that its channels concern.

    Args:
        event: the event, whose handlers may change at any time.
        layers: the layers around each handler.
        otherwise: called where the event concerns no handler.
        innermost: returns the call of a handler, without layers.

    """

    def __init__(
        self,
        event: Event,
        layers: Sequence[HandlerLayer],
        otherwise: Call,
        innermost: Innermost = _handler,
    ) -> None:
        self._handlers: Handlers = event.handlers
        self._names_channel = event.names_channel
        self._layers = layers
        self._innermost = innermost
        self._otherwise = otherwise
        self._compose()

    def dispatch(
        self, request: Any, socket: Any, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        """Call the handlers, and return the first answer that is not None.

        Patterns are matched with the channel that is the event's argument, where the event is
        about one, with the channel that the client named for the event, or else with all channels
        of the socket.
        """
        if self._handlers.registrations is not self._composed:
            self._compose()
        if self._has_patterns:
            if self._names_channel:
                channels = args
            elif (channel := socket.event_channel) is not None:
                channels = (channel,)
            else:
                channels = socket.subscriptions.names
            calls = self._relevant(socket.namespace, channels)
        else:
            calls = self._plain.get(socket.namespace, ())
        if not calls:
            return self._otherwise(request, socket, context, args)
        answer = None
        for call in calls:
            result = call(request, socket, context, args)
            if answer is None:
                answer = result
        return answer

    def _compose(self) -> None:
        self._composed = self._handlers.registrations
        self._calls = {
            registration: _compose(self._innermost(registration), registration, self._layers)
            for registration in self._composed
        }
        self._has_patterns = any(r.pattern is not None for r in self._composed)
        self._plain = {r.namespace: self._find(r.namespace, ()) for r in self._composed}
        self._remembered = Remembered()

    def _relevant(self, namespace: str, channels: tuple[str, ...]) -> Calls:
        if not channels:
            return self._plain.get(namespace, ())
        found = self._remembered.get((namespace, channels))
        if found is None:
            found = self._find(namespace, channels)
            self._remembered.add((namespace, channels), found)
        return found

    def _find(self, namespace: str, channels: tuple[str, ...]) -> Calls:
        if len(channels) <= 1:
            return tuple(
                call
                for registration, call in self._calls.items()
                if registration.concerns(namespace, channels)
            )
        found = {call for channel in channels for call in self._relevant(namespace, (channel,))}
        return tuple(call for call in self._calls.values() if call in found)
