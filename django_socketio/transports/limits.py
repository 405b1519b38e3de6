"""The limits of a server, each with its default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may use of the server. Times are in seconds, sizes in bytes."""

    max_message_size: int = 1_000_000
    """Of one message, or of one payload of long-polling."""

    ping_interval: float = 25.0
    ping_timeout: float = 20.0

    connect_timeout: float = 45.0
    """From the Engine.IO handshake to the first Socket.IO CONNECT."""

    max_payload_packets: int = 100_000
    """In one POST of long-polling. Clients split what they send by bytes only."""

    max_attachments: int = 10
    """Of one Socket.IO packet."""

    max_channels: int = 100
    """Of one socket."""

    max_unsent_bytes: int = 1_000_000
    """That wait for a client to read them; one message may always wait."""

    compression_threshold: int | None = None
    """From which messages are compressed for WebSockets that agree to it; None compresses none."""

    max_waiting_events: int = 100
    """Of one socket; past it, the client is not read until they are handled."""

    workers: int = 100
    """Greenlets in which handlers run."""

    max_waiting_calls: int = 1_000
    """Handlers that wait at the same time for answers of clients."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What may come in a second; None is without a limit."""

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
    """Seconds for which all of it may come at once."""
