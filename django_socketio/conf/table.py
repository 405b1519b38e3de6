"""The table of settings. docs/settings.rst is made from it."""

from django_socketio.conf import values
from django_socketio.conf.values import Setting
from django_socketio.events import client_events
from django_socketio.protocol.http.origin import fault as origin_fault
from django_socketio.relay import history_rules, patterns
from django_socketio.transports.limits import Limits, Rates

_LIMITS = Limits()

SETTINGS = {
    # Servers
    "HOST": Setting(
        "127.0.0.1",
        values.is_text,
        "a host name or an IP address",
        about="The address on which ``runserver_socketio`` listens.",
    ),
    "PORT": Setting(
        9000,
        values.is_port,
        "a port number from 0 (a free port) to 65535",
        about="The port on which ``runserver_socketio`` listens.",
    ),
    "RUNSERVER": values.flag(
        False,
        (
            "Whether ``runserver`` serves sockets, as ``runserver_socketio`` does "
            "(``docs/running.rst``)."
        ),
    ),
    "MESSAGE_LOG_FORMAT": Setting(
        '%(REMOTE_ADDR)s - - [%(TIME)s] "Socket.IO %(TYPE)s: %(MESSAGE)s"',
        values.is_format,
        "a %-format string with keys of META, TIME, TYPE and MESSAGE, or None (no message log)",
        about=(
            "The format of lines of the message log (keys of ``META``, TIME, TYPE and MESSAGE). "
            "``None``: no message log."
        ),
    ),
    "ALLOW_EIO3": values.flag(
        False, "Whether clients of Socket.IO 1 and 2 may connect. See ``docs/old-clients.rst``."
    ),
    "DRAIN_SECONDS": Setting(
        0.0,
        values.is_time,
        "a number of seconds (0 ends all sockets at once)",
        about=(
            "Seconds over which a gunicorn worker that stops ends its sockets. See "
            "``docs/deployment.rst``."
        ),
    ),
    # Access
    "ALLOWED_ORIGINS": values.list_of(
        (),
        origin_fault,
        'a list of origins such as "https://example.com", or ["*"] (all origins)',
        (
            'Other origins whose pages may connect; ``["*"]`` allows all. The origins of '
            "``CSRF_TRUSTED_ORIGINS`` may connect, too. See ``docs/security.rst``."
        ),
    ),
    "ALLOWED_HEADERS": values.list_of(
        None,
        values.fault_of_name,
        'a list of names of header fields such as "Authorization", or None (the default rules)',
        (
            "Header fields that pages of other origins may send. ``None``: any field, for origins "
            "that are listed by name."
        ),
    ),
    "ALLOWED_CHANNELS": Setting(
        None,
        values.is_path,
        'the dotted path of a function such as "chat.channels.allowed", or None (no function)',
        about=(
            "The dotted path of a function ``(request, channels)`` that returns the channels that "
            "the client may subscribe to. All others are refused."
        ),
    ),
    "DEFAULT_DENY": values.flag(
        False,
        (
            "Whether a channel is refused unless this function or, without it, a pattern of "
            "``on_subscribe`` or ``may_subscribe`` admits it."
        ),
    ),
    "SIGNED_ONLY": Setting(
        False,
        lambda value: values.is_flag(value) or values.is_list_of_patterns(value),
        'True (all channels), False, or a list of patterns of channels such as ["^room-"]',
        lambda value: [*values.faults_of_patterns(value)],
        about=(
            "Whether clients may subscribe by tokens of pages only: ``True``, or patterns of the "
            "channels. See ``docs/security.rst``."
        ),
    ),
    "TOKEN_SECONDS": Setting(
        3600.0,
        history_rules.is_time,
        history_rules.A_TIME,
        about=(
            "How long a page may wait before it presents the token of a channel that was written "
            "into it."
        ),
    ),
    "TOKEN_RENEWAL_SECONDS": Setting(
        7 * 86_400.0,
        history_rules.is_time,
        history_rules.A_TIME,
        about=(
            "How long a client that has subscribed may be away before it presents the token again."
        ),
    ),
    "LOGIN_CHECK_INTERVAL": values.seconds(
        60.0, "Seconds within which sockets end if their login ended without a signal."
    ),
    "LOGIN_REQUIRED": Setting(
        None,
        values.is_optional_flag,
        "True, False, or None (True beside LoginRequiredMiddleware)",
        about=(
            "Whether anonymous visitors are refused. ``None``: if the site has Django's "
            "``LoginRequiredMiddleware``. See ``docs/security.rst``."
        ),
    ),
    # Handlers
    "HANDLER_CONTEXT": values.list_of(
        (),
        values.fault_of_path,
        'a list of dotted paths of context managers such as ["chat.contexts.tenant"]',
        (
            "The dotted paths of context managers ``(request)`` in which each handler runs. See "
            "``docs/handlers.rst``."
        ),
    ),
    "CLIENT_EVENTS": Setting(
        {},
        client_events.is_valid,
        'a dict such as {"^room-": ["typing"], "^call-": {"events": ["signal"], "sender": True}}, '
        'with patterns of channels as keys and lists of names of events, or dicts with "events" '
        'and "sender" (whether receivers are told the sender)',
        client_events.faults,
        about=(
            "Events that clients send to the other members of a channel without a handler, by the "
            "pattern of the channel (``docs/handlers.rst``)."
        ),
    ),
    "WORKERS": values.count(
        _LIMITS.workers,
        "greenlets",
        (
            "Greenlets that run handlers, and handshakes in Django at the same time. One client "
            "occupies at most half of them (at most two, where there are fewer than four)."
        ),
    ),
    "THREADS": values.count(10, "threads", "Native threads for ``in_thread``."),
    "BLOCKED_AFTER": Setting(
        1.0,
        values.is_time,
        "a number of seconds (0 disables the watchdog)",
        about=(
            "Seconds for which a handler may block the event loop before the log names the handler "
            "(0 disables the watchdog)."
        ),
    ),
    "METRICS": values.flag(
        False, "Whether messages, bytes and durations are counted (``docs/monitoring.rst``)."
    ),
    "TRACING": values.flag(
        False,
        "Whether messages and handlers make spans of OpenTelemetry (``docs/monitoring.rst``).",
    ),
    # Relay
    "RELAY_URL": Setting(
        None,
        values.is_relay_url,
        values.A_RELAY_URL,
        explain=values.explain_relay_url,
        about="The address of Redis. ``None``: one process has all sockets.",
    ),
    "RELAY_PREFIX": Setting(
        "socketio",
        values.is_prefix,
        "a string without braces, which begins all names in Redis",
        about="The beginning of all names in Redis, without braces.",
    ),
    "RELAY_TIMEOUT": values.seconds(2.0, "Seconds within which Redis must accept a message."),
    "RELAY_LOG": Setting(
        1000,
        values.is_whole,
        "a whole number of messages (0 keeps no messages)",
        about="Messages of a channel that Redis keeps (0 keeps no messages).",
    ),
    "RELAY_LOG_BYTES": values.count(
        1_000_000,
        "bytes",
        (
            "Bytes of the messages of a channel that Redis keeps. The newest message is kept "
            "whatever its size."
        ),
    ),
    "RELAY_LOG_SECONDS": values.seconds(60.0, "Seconds for which Redis keeps them."),
    "RELAY_SIGNING": values.flag(
        False,
        (
            "Whether processes sign their messages in Redis by ``SECRET_KEY``, and ignore messages "
            "without a valid signature."
        ),
    ),
    "RELAY_IN_TESTS": values.flag(
        False,
        (
            "Whether messages of a process that runs tests go to Redis; otherwise they stay in the "
            "process."
        ),
    ),
    # Delivery and presence
    "HISTORY": Setting(
        {},
        history_rules.is_valid,
        'a dict such as {"^room-": {"size": 100, "seconds": 3600, "replay": 20}}, with patterns of '
        'channels and "user=", "session=" or "group=" as keys',
        history_rules.faults,
        about=(
            "Histories: how many messages are kept for how many seconds, by the pattern of a "
            "channel (``docs/pushing.rst``)."
        ),
    ),
    "RECOVERY_SECONDS": Setting(
        _LIMITS.recovery_seconds,
        values.is_time,
        "a number of seconds (0 keeps no messages for clients that are away)",
        about=(
            "Seconds for which a client may be away and miss nothing, from when its cut is noticed "
            "(0 keeps nothing for it)."
        ),
    ),
    "RECOVERY_FOR_ALL": values.flag(
        False,
        (
            "Whether each official client may come back to its socket, or only those that ask "
            "(``docs/delivery.rst``)."
        ),
    ),
    "RECOVERY_BYTES": values.count(
        _LIMITS.recovery_bytes,
        "bytes",
        "Bytes of the events that a process keeps for such clients.",
    ),
    "MAX_AWAY_SOCKETS": values.count(
        _LIMITS.max_away_sockets,
        "sockets",
        "Sockets of a process that wait for their client to come back.",
    ),
    "PRESENCE": values.list_of(
        (),
        patterns.fault_of,
        'a list of patterns of channels such as ["^room-"]',
        "Patterns of the channels on which it is noted who is there (``docs/presence.rst``).",
    ),
    "PRESENCE_GRACE": Setting(
        5.0,
        values.is_time,
        "a number of seconds (0 has people leave with their last socket)",
        about="Seconds after the end of a person's last socket for which the person is present.",
    ),
    # Connections
    "PING_INTERVAL": values.seconds(_LIMITS.ping_interval, "Seconds between two pings."),
    "PING_TIMEOUT": values.seconds(
        _LIMITS.ping_timeout, "Seconds within which a client must answer a ping."
    ),
    "REQUEST_TIMEOUT": values.seconds(
        30.0,
        (
            "Seconds within which a TLS handshake and the head of a request must arrive, and "
            "between two pieces of a request's body."
        ),
    ),
    "SEND_TIMEOUT": values.seconds(
        _LIMITS.send_timeout,
        (
            "Seconds between two pieces of an HTTP answer that a client reads, and of what a "
            "closed WebSocket or event stream has still to send. Beyond this limit, the connection "
            "is closed."
        ),
    ),
    "CONNECT_TIMEOUT": values.seconds(
        _LIMITS.connect_timeout,
        "Seconds from the handshake to CONNECT, and without any namespace after that.",
    ),
    "STREAM_MAX_AGE": Setting(
        3600.0,
        values.is_time,
        "a number of seconds (0 disables it)",
        about=(
            "Seconds after which an event stream ends at the latest; its client comes back (0 "
            "disables it)."
        ),
    ),
    "COMPRESSION_THRESHOLD": values.threshold(
        "Bytes from which the messages on a WebSocket are compressed. ``None``: no compression."
    ),
    # Limits
    "MAX_MESSAGE_SIZE": values.count(_LIMITS.max_message_size, "bytes", "Bytes of one message."),
    "MAX_PAYLOAD_PACKETS": values.count(
        _LIMITS.max_payload_packets, "packets", "Packets in one POST of long-polling."
    ),
    "MAX_ATTACHMENTS": values.count(
        _LIMITS.max_attachments, "attachments", "Binary attachments of one packet."
    ),
    "MAX_CHANNELS": values.count(_LIMITS.max_channels, "channels", "Channels of one socket."),
    "MAX_UNSENT_BYTES": values.count(
        _LIMITS.max_unsent_bytes,
        "bytes",
        (
            "Bytes that may wait for a client that does not read. Beyond this limit, the client is "
            'closed ("slow client").'
        ),
    ),
    "MAX_WAITING_EVENTS": values.count(
        _LIMITS.max_waiting_events,
        "events",
        (
            "Events of one socket that may wait. Beyond this limit, the server does not read from "
            "the client until they are handled."
        ),
    ),
    "MAX_WAITING_CALLS": values.count(
        _LIMITS.max_waiting_calls,
        "calls",
        "Handlers that may wait in ``socket.call`` at the same time.",
    ),
    # Rates
    "CLIENT_MESSAGE_RATE": values.rate(
        'Messages a second from one client. A faster client is closed ("rate exceeded").'
    ),
    "CLIENT_BYTE_RATE": values.rate("Bytes of messages a second from one client."),
    "ADDRESS_MESSAGE_RATE": values.rate("Messages a second from all clients of one address."),
    "ADDRESS_BYTE_RATE": values.rate("Bytes of messages a second from all clients of one address."),
    "ADDRESS_CONNECT_RATE": values.rate("New connections a second from one address."),
    "RATE_BURST": values.seconds(
        Rates().rate_burst, "Seconds' worth of a rate that may arrive at once."
    ),
}
