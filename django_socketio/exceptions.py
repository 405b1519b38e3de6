"""The errors of django-socketio, in one tree.

SocketIOError
├── ProtocolError (ValueError)   the other side sent what the specification does not allow
│   ├── MisplacedAttachment      ... in a packet that can be refused by itself
│   ├── MessageTooBig            ... or more than SOCKETIO_MAX_MESSAGE_SIZE
│   └── RateExceeded             ... or more in a second than the rates of the settings allow
├── EventError                   a handler was registered in a way that cannot work
├── WrongArguments (TypeError)   an event has other arguments than its handler takes
├── ChannelError (ValueError)    a channel's name is bad, or a socket has too many channels
├── NoSocket                     nobody was there to receive an out-of-band message
├── CallTimeout (TimeoutError)   ``socket.call`` got no answer in time
├── ThreadError                  a function of ``in_thread`` used what no native thread can use
└── RelayError                   a message could not be handed to the relay
    └── RelayGap                 messages of a channel were lost between processes
"""

from typing import Any


class SocketIOError(Exception):
    """Base of every error that this package raises by itself."""


class ProtocolError(SocketIOError, ValueError):
    """The other side sent what the Engine.IO, Socket.IO or WebSocket protocol does not allow."""


class MisplacedAttachment(ProtocolError):
    """An attachment had no place in its packet, or several."""

    packet: Any = None
    """The packet without its attachments."""


class MessageTooBig(ProtocolError):
    """A message was larger than ``SOCKETIO_MAX_MESSAGE_SIZE``."""


class RateExceeded(ProtocolError):
    """A client, or its address, sent more in a second than it may."""


class EventError(SocketIOError):
    """A handler was registered in a way that cannot work."""


class WrongArguments(SocketIOError, TypeError):
    """An event came with other arguments than its handler takes."""

    handler: Any = None
    """The function that takes others."""


class ChannelError(SocketIOError, ValueError):
    """A channel's name is not allowed, or a socket is on too many channels."""


class NoSocket(SocketIOError):
    """Nobody was there to receive an out-of-band message."""


class CallTimeout(SocketIOError, TimeoutError):
    """The client did not answer ``socket.call`` in time, or left before it answered."""


class ThreadError(SocketIOError):
    """A function of ``in_thread`` used what cannot be used in a native thread."""


class RelayError(SocketIOError):
    """A message could not be handed to the relay, so nobody received it.

    In a Redis Cluster, a message for several channels may have reached those of one node before
    another refused it; the text of the error says so.
    """


class RelayGap(RelayError):
    """Messages of a channel were lost on their way to this process; ``on_error`` gets it."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"messages of the channel {channel!r} were lost between processes")
        self.channel = channel
