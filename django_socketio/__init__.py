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
    "Answer",
    "Answers",
    "CallTimeout",
    "ChannelError",
    "ChannelToken",
    "EmitBatch",
    "Emitted",
    "EventError",
    "EventStreamView",
    "Handler",
    "History",
    "HistoryMessage",
    "MessageTooBig",
    "NoRelay",
    "NoSocket",
    "Person",
    "ProcessStats",
    "ProtocolError",
    "PublicSession",
    "Publication",
    "RateExceeded",
    "RelayError",
    "RelayGap",
    "RelayStatus",
    "SiteStats",
    "Socket",
    "SocketIOError",
    "ThreadError",
    "WebSocket",
    "WebSocketListener",
    "WebSocketRequest",
    "WebSocketView",
    "WrongArguments",
    "accept",
    "accept_websocket",
    "broadcast",
    "broadcast_channel",
    "call",
    "disconnect",
    "emit",
    "emit_batch",
    "emit_template",
    "history",
    "in_thread",
    "page_position",
    "presence",
    "presence_count",
    "publish_changes",
    "publish_created",
    "publish_model",
    "relay_status",
    "require_websocket",
    "send",
    "sign_channel",
    "site_stats",
    "stats",
    "subscribe",
    "unsubscribe",
]

if TYPE_CHECKING:
    from django_socketio.channels.calls import Answer, Answers
    from django_socketio.channels.people import Person
    from django_socketio.channels.publish import broadcast, broadcast_channel, send
    from django_socketio.concurrency.threads import in_thread
    from django_socketio.events.interfaces import Handler, PublicSession, Socket
    from django_socketio.monitoring.process import ProcessStats
    from django_socketio.monitoring.site import SiteStats, site_stats, stats
    from django_socketio.publishing.batches import EmitBatch, emit_batch
    from django_socketio.publishing.calling import call
    from django_socketio.publishing.commanding import disconnect, subscribe, unsubscribe
    from django_socketio.publishing.emitting import emit
    from django_socketio.publishing.fragments import emit_template
    from django_socketio.publishing.histories import History, HistoryMessage, history
    from django_socketio.publishing.model_publishing import (
        publish_changes,
        publish_created,
        publish_model,
    )
    from django_socketio.publishing.page_positions import page_position
    from django_socketio.publishing.presences import presence, presence_count
    from django_socketio.publishing.publications import Publication
    from django_socketio.publishing.results import Emitted
    from django_socketio.publishing.signing import sign_channel
    from django_socketio.relay.base import RelayStatus
    from django_socketio.security.channel_tokens import ChannelToken
    from django_socketio.server.relays import relay_status
    from django_socketio.streams.view import EventStreamView
    from django_socketio.websockets.accepting import accept
    from django_socketio.websockets.listener import WebSocketListener
    from django_socketio.websockets.views import (
        WebSocketRequest,
        WebSocketView,
        accept_websocket,
        require_websocket,
    )
    from django_socketio.websockets.websocket import WebSocket
else:
    # Imported at the first use, so that reading the version or catching NoSocket imports neither
    # gevent nor asyncio, which gevent has to patch first.
    _MODULES = {
        "Answer": "channels.calls",
        "Answers": "channels.calls",
        "ChannelToken": "security.channel_tokens",
        "Emitted": "publishing.results",
        "EventStreamView": "streams.view",
        "Handler": "events.interfaces",
        "History": "publishing.histories",
        "HistoryMessage": "publishing.histories",
        "Person": "channels.people",
        "PublicSession": "events.interfaces",
        "RelayStatus": "relay.base",
        "Socket": "events.interfaces",
        "WebSocket": "websockets.websocket",
        "WebSocketListener": "websockets.listener",
        "WebSocketRequest": "websockets.views",
        "WebSocketView": "websockets.views",
        "accept": "websockets.accepting",
        "accept_websocket": "websockets.views",
        "broadcast": "channels.publish",
        "broadcast_channel": "channels.publish",
        "call": "publishing.calling",
        "EmitBatch": "publishing.batches",
        "disconnect": "publishing.commanding",
        "emit": "publishing.emitting",
        "emit_batch": "publishing.batches",
        "emit_template": "publishing.fragments",
        "history": "publishing.histories",
        "in_thread": "concurrency.threads",
        "Publication": "publishing.publications",
        "page_position": "publishing.page_positions",
        "publish_changes": "publishing.model_publishing",
        "publish_created": "publishing.model_publishing",
        "publish_model": "publishing.model_publishing",
        "presence": "publishing.presences",
        "presence_count": "publishing.presences",
        "relay_status": "server.relays",
        "require_websocket": "websockets.views",
        "send": "channels.publish",
        "subscribe": "publishing.commanding",
        "unsubscribe": "publishing.commanding",
        "sign_channel": "publishing.signing",
        "site_stats": "monitoring.site",
        "stats": "monitoring.site",
        "ProcessStats": "monitoring.process",
        "SiteStats": "monitoring.site",
    }

    __getattr__, __dir__ = lazy_names.hooks(__name__, _MODULES, globals())
