"""Events that clients send to the other members of a channel without a handler.

``SOCKETIO_CLIENT_EVENTS`` lists them by patterns of channels. A handler that takes an event of such
a name gets it as any other event, and nothing is relayed.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from django_socketio import events
from django_socketio.exceptions import ChannelError, EventError
from django_socketio.protocol.socketio.names import check_event_name
from django_socketio.relay import patterns

KEYS = ("events", "sender")
"""Keys of a rule that is a dict."""


class Rule(NamedTuple):
    """The client events of the channels that a pattern matches.

    Attributes:
        pattern: matches the start of the names of channels.
        names: the names of the events.
        tells_sender: whether receivers get the sender as one more argument.

    """

    pattern: re.Pattern[str]
    names: frozenset[str]
    tells_sender: bool


class Relaying(Protocol):
    """The lifecycle of a socket, as client events use it."""

    def relay(self, event: str, args: tuple[Any, ...], channel: str, tells_sender: bool) -> None:
        """Send an event to the other sockets on a channel."""


class Sender(Protocol):
    """A socket, as client events use it."""

    @property
    def lifecycle(self) -> Relaying:
        """The lifecycle of the socket."""


class ClientEvents:
    """Relays the events of clients that the rules admit.

    Args:
        rules: the first one whose pattern matches the channel, and which has the event, counts.
        are_logged: whether each message of a client is logged at present.

    """

    def __init__(self, rules: Iterable[Rule], are_logged: Callable[[], bool]) -> None:
        self._rules = tuple(rules)
        self._names = frozenset(name for rule in self._rules for name in rule.names)
        self._are_logged = are_logged

    def may_be_at_once(self, name: Any) -> bool:
        """Return whether events of this name need neither a handler nor the log of messages."""
        if not isinstance(name, str) or name not in self._names or self._are_logged():
            return False
        event = events.on_event.get(name)
        return event is None or not event.handlers.registrations

    def relay(self, socket: Sender, name: str, args: tuple[Any, ...], channel: str) -> None:
        """Send an event that no handler takes to the other members of the channel.

        Raises:
            ChannelError: clients may not send it there.

        """
        rule = self.find(name, channel)
        if rule is None:
            raise ChannelError(
                f"{name!r:.100} is no event that clients may send to the channel {channel!r:.200} "
                "(SOCKETIO_CLIENT_EVENTS), and no handler takes it"
            )
        socket.lifecycle.relay(name, args, channel, rule.tells_sender)

    def find(self, name: str, channel: str) -> Rule | None:
        """Return the rule by which clients may send an event to a channel; None without one."""
        if name in self._names:
            for rule in self._rules:
                if name in rule.names and rule.pattern.match(channel):
                    return rule
        return None


# The setting


def rules(setting: dict[str, Any]) -> Iterator[Rule]:
    """Yield the rules that the setting stands for."""
    for pattern, value in setting.items():
        rule = value if isinstance(value, dict) else {"events": value}
        names = frozenset(rule["events"])
        yield Rule(re.compile(pattern), names, rule.get("sender", False))


def is_valid(value: Any) -> bool:
    """Return whether a value can be used as the setting."""
    return isinstance(value, dict) and not faults(value)


def faults(value: Any) -> list[str]:
    """Return a sentence, without its full stop, for each part of the setting that is wrong."""
    rules = value.items() if isinstance(value, dict) else ()
    return [fault for pattern, rule in rules for fault in _faults_of_rule(pattern, rule)]


def _faults_of_rule(pattern: Any, rule: Any) -> Iterator[str]:
    if fault := patterns.fault_of(pattern):
        yield fault
    names = rule
    if isinstance(rule, dict):
        names = rule.get("events")
        for key in rule.keys() - set(KEYS):
            yield f"{pattern!r} has the unknown key {key!r}; known are {', '.join(KEYS)}"
        if not isinstance(rule.get("sender", False), bool):
            yield f"'sender' of {pattern!r} must be True or False, not {rule['sender']!r:.100}"
    if not isinstance(names, (list, tuple, set, frozenset)):
        yield f"{pattern!r} needs a list of names of events, not {names!r:.100}"
        return
    yield from (fault for name in names if (fault := _fault_of_name(name)))


def _fault_of_name(name: Any) -> str | None:
    try:
        check_event_name(name)
    except EventError as error:
        return str(error)
    if not name or name in events.RESERVED:
        return f"{name!r} is no name of an event that clients can send for a channel"
    return None
