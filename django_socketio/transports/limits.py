"""The limits of a server, each with its default."""

from dataclasses import dataclass

SLOWEST = 1_000.0
"""The slowest rate, in bytes a second in the long run, at which a client may send a body or a long
message, or read an answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the clients of a server. Times are in seconds, sizes in bytes."""

    max_message_size: int = 1_000_000
    """Size of one message, or of one payload of long-polling."""

    ping_interval: float = 25.0
    ping_timeout: float = 20.0

    send_timeout: float = 60.0
    """Time within which a client must take something of an answer, or of what waits for it once its
    connection is being closed."""

    connect_timeout: float = 45.0
    """Time from the Engine.IO handshake to the first Socket.IO CONNECT."""

    max_payload_packets: int = 100_000
    """Number of packets in one POST of long-polling. Clients split their payloads by bytes only."""

    max_attachments: int = 10
    """Number of binary attachments of one Socket.IO packet."""

    max_channels: int = 100
    """Number of channels of one socket."""

    max_away_sockets: int = 10_000
    """Number of sockets whose connection has broken and whose client may come back."""

    recovery_seconds: float = 30.0
    """Time for which a client may be away; 0 if none may come back to its socket."""

    recovery_for_all: bool = False
    """Whether each client may come back to its socket, or only those that ask."""

    recovery_bytes: int = 100_000_000
    """Bytes of the events that are kept for all clients that may come back."""

    max_unsent_bytes: int = 1_000_000
    """Bytes that wait for a client to read them; a single message may have more."""

    compression_threshold: int | None = None
    """Size from which messages are compressed, if the client agrees; None disables compression."""

    max_waiting_events: int = 100
    """Number of events of one socket that wait for their handlers. Past it, the client is not read
    until they have been handled."""

    workers: int = 100
    """Number of greenlets in which handlers run."""

    max_waiting_calls: int = 1_000
    """Number of handlers that wait at the same time for answers of clients."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits of rates, in units a second; None means no limit."""

    address_connect_rate: float | None = None
    """New sessions from one address."""

    address_message_rate: float | None = None
    """Messages from one address."""

    address_byte_rate: float | None = None
    """Bytes of messages from one address."""

    client_message_rate: float | None = None
    """Messages from one client."""

    client_byte_rate: float | None = None
    """Bytes of messages from one client."""

    rate_burst: float = 10.0
    """Number of seconds whose amount may arrive at once."""
