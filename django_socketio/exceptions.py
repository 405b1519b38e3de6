"""The errors of django-socketio, in one tree.

SocketIOError
├── ProtocolError (ValueError)   the peer sent data that the specification does not allow
│   ├── MisplacedAttachment      a packet has no place, or several, for an attachment
│   ├── MessageTooBig            a message is larger than SOCKETIO_MAX_MESSAGE_SIZE
│   └── RateExceeded             a client exceeds a rate of the settings
├── EventError                   a handler or an event has a name or a pattern that cannot work
├── WrongArguments (TypeError)   the arguments of an event do not fit its handler
├── ChannelError (ValueError)    a channel's name is wrong, or a socket has too many channels
│   └── PositionError            a client asks for the past of a channel in a way that cannot work
├── NoSocket                     no socket received a message
├── CallTimeout (TimeoutError)   ``socket.call`` got no answer in time
├── ThreadError                  a function of ``in_thread`` used a resource of the event loop
└── RelayError                   the relay did not accept a message
    ├── NoRelay                  this process has no server and no relay
    └── RelayGap                 messages of a channel were lost between processes
"""

from typing import Any


class SocketIOError(Exception):
    """The base class of all errors of this package."""


class ProtocolError(SocketIOError, ValueError):
    """The peer sent data that the Engine.IO, Socket.IO or WebSocket protocol does not allow."""


class MisplacedAttachment(ProtocolError):
    """A packet has no place, or several places, for an attachment."""

    packet: Any = None
    """The packet without its attachments."""


class MessageTooBig(ProtocolError):
    """A message is larger than ``SOCKETIO_MAX_MESSAGE_SIZE``."""


class RateExceeded(ProtocolError):
    """A client, or its address, exceeds a rate of the settings; the text names the setting."""


class EventError(SocketIOError):
    """A handler, an event or a namespace has a name or a pattern that cannot work."""


class WrongArguments(SocketIOError, TypeError):
    """The arguments of an event do not fit its handler."""

    handler: Any = None
    """The function whose parameters do not fit."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the error for another process, without the function: tests have local ones."""
        return type(self), self.args


class ChannelError(SocketIOError, ValueError):
    """The name of a channel is not allowed, or a socket is on too many channels."""


class PositionError(ChannelError):
    """A client presents a position, or asks for a history, in no form that clients may send."""


class NoSocket(SocketIOError):
    """No socket received a message of ``send``, ``broadcast`` or ``broadcast_channel``."""


class CallTimeout(SocketIOError, TimeoutError):
    """The client did not answer ``socket.call`` in time, or left without an answer."""


class ThreadError(SocketIOError):
    """A function of ``in_thread`` used a resource that belongs to the event loop."""


class RelayError(SocketIOError):
    """The relay did not accept a message, so no process received it.

    Of a message for several channels or users, processes may have received it for some of them; the
    text of the error then says so.
    """


class NoRelay(RelayError):
    """No message can leave this process: it runs no server, and ``SOCKETIO_RELAY_URL`` is not set.

    ``emit`` raises this error. ``send``, ``broadcast`` and ``broadcast_channel`` raise ``NoSocket``
    instead, as in 0.3.
    """


class RelayGap(RelayError):
    """Messages of a channel were lost on their way to this process; ``on_error`` gets this error.

    A socket gets one for each of its channels that lost messages. Those of many sockets are spread
    over time, so that other events are handled in between.

    Args:
        channel: the name of the channel.

    """

    def __init__(self, channel: str) -> None:
        super().__init__(f"messages of the channel {channel!r} were lost between processes")
        self.channel = channel

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the error for another process."""
        return type(self), (self.channel,)
