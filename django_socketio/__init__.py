"""Real time for any Django site, without making it async.

The functions and the errors that projects use, and the types for annotations::

    from django_socketio import emit

    emit("message", {"text": "Hello"}, channel="room-1")
"""

from typing import TYPE_CHECKING

from django_socketio import lazy_names
from django_socketio.exceptions import (
    CallTimeout,
    ChannelError,
    EventError,
    MessageTooBig,
    NoRelay,
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
    "EmitBatch",
    "Emitted",
    "EventError",
    "Handler",
    "History",
    "HistoryMessage",
    "MessageTooBig",
    "NoRelay",
    "NoSocket",
    "ProtocolError",
    "PublicSession",
    "RateExceeded",
    "RelayError",
    "RelayGap",
    "RelayStatus",
    "Socket",
    "SocketIOError",
    "ThreadError",
    "WrongArguments",
    "broadcast",
    "broadcast_channel",
    "emit",
    "emit_batch",
    "history",
    "in_thread",
    "page_position",
    "relay_status",
    "send",
]

if TYPE_CHECKING:
    from django_socketio.channels.publish import broadcast, broadcast_channel, send
    from django_socketio.concurrency.threads import in_thread
    from django_socketio.events.interfaces import Handler, PublicSession, Socket
    from django_socketio.publishing.batches import EmitBatch, emit_batch
    from django_socketio.publishing.emitting import emit
    from django_socketio.publishing.histories import History, HistoryMessage, history
    from django_socketio.publishing.page_positions import page_position
    from django_socketio.publishing.results import Emitted
    from django_socketio.relay.base import RelayStatus
    from django_socketio.server.relays import relay_status
else:
    # Imported at the first use, so that reading the version or catching NoSocket imports neither
    # gevent nor asyncio, which gevent has to patch first.
    _MODULES = {
        "Emitted": "publishing.results",
        "Handler": "events.interfaces",
        "History": "publishing.histories",
        "HistoryMessage": "publishing.histories",
        "PublicSession": "events.interfaces",
        "RelayStatus": "relay.base",
        "Socket": "events.interfaces",
        "broadcast": "channels.publish",
        "broadcast_channel": "channels.publish",
        "EmitBatch": "publishing.batches",
        "emit": "publishing.emitting",
        "emit_batch": "publishing.batches",
        "history": "publishing.histories",
        "in_thread": "concurrency.threads",
        "page_position": "publishing.page_positions",
        "relay_status": "server.relays",
        "send": "channels.publish",
    }

    __getattr__, __dir__ = lazy_names.hooks(__name__, _MODULES, globals())
