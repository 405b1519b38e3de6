"""What events, channels and namespaces may be called."""

from django_socketio.exceptions import ChannelError, EventError
from django_socketio.protocol.payloads import RESERVED_EVENTS

MAX_CHANNEL_LENGTH = 200
"""Characters of a channel's name."""


def check_event(event: str) -> None:
    """Check the name of an event that is to be sent.

    Raises:
        EventError: it is not a string, or reserved by Socket.IO.

    """
    if not isinstance(event, str):
        raise EventError(f"an event's name is a string, not {event!r}")
    if event in RESERVED_EVENTS:
        raise EventError(
            f"the event name {event!r} is reserved: official clients give it a meaning of their own"
        )


def check_channel(channel: str) -> str:
    """Return a channel's name.

    Raises:
        ChannelError: it is not a string of 1 to 200 characters without control characters and
            lone surrogates.

    """
    if not isinstance(channel, str):
        raise ChannelError(f"a channel's name is a string; got {type(channel).__name__}")
    if not 0 < len(channel) <= MAX_CHANNEL_LENGTH:
        raise ChannelError(
            f"a channel's name has 1 to {MAX_CHANNEL_LENGTH} characters; got {len(channel)}"
        )
    try:
        channel.encode()
    except UnicodeEncodeError:
        raise ChannelError("a channel's name has no lone surrogates") from None
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in channel):
        raise ChannelError(f"a channel's name has no control characters; got {channel!r}")
    return channel


def check_namespace(namespace: str) -> str:
    """Return the namespace as the protocol writes it, with its leading slash.

    Raises:
        EventError: it is not a string, or holds a comma or a control character.

    """
    if not isinstance(namespace, str) or not namespace.isprintable() or "," in namespace:
        raise EventError(f"a namespace is a name like '/admin', without commas; got {namespace!r}")
    return namespace if namespace.startswith("/") else f"/{namespace}"
