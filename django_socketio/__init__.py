"""Real time for any Django site, without making it async.

from django_socketio import broadcast_channel

broadcast_channel({"text": "Hello"}, "room-1")
"""

from typing import Any

from django_socketio.exceptions import (
    CallTimeout,
    ChannelError,
    EventError,
    MessageTooBig,
    NoSocket,
    ProtocolError,
    RateExceeded,
    RelayError,
    RelayGap,
    SocketIOError,
    ThreadError,
    WrongArguments,
)

__version__ = "1.0.0"

__all__ = [
    "CallTimeout",
    "ChannelError",
    "EventError",
    "MessageTooBig",
    "NoSocket",
    "ProtocolError",
    "RateExceeded",
    "RelayError",
    "RelayGap",
    "SocketIOError",
    "ThreadError",
    "WrongArguments",
    "broadcast",
    "broadcast_channel",
    "in_thread",
    "relay_status",
    "send",
]

_BROADCASTS = ("broadcast", "broadcast_channel", "send")


def __getattr__(name: str) -> Any:
    # Late, so that reading the version or catching NoSocket does not import gevent.
    if name in _BROADCASTS:
        from django_socketio.channels import publish as broadcasts

        return getattr(broadcasts, name)
    if name == "in_thread":
        from django_socketio.concurrency.threads import in_thread

        return in_thread
    if name == "relay_status":
        from django_socketio.server.relays import relay_status

        return relay_status
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
