"""Names of channels."""

import re

from django_socketio.exceptions import ChannelError

_find_control_character = re.compile(r"[\x00-\x1f\x7f-\x9f]").search

SIGNED = "socketio.channel:"
"""The beginning of a token, by which a client may subscribe to the channel that is in it."""

MAX_CHANNEL_LENGTH = 200
"""Characters of a channel's name."""


def check_channel(channel: str) -> str:
    """Return a channel's name.

    Raises:
        ChannelError: it is not a string of 1 to 200 characters without control characters and
            lone surrogates, or it is a token.

    """
    if not isinstance(channel, str):
        raise ChannelError(f"a channel's name is a string; got {type(channel).__name__}")
    if channel.startswith(SIGNED):
        raise ChannelError(
            "a token is not the name of a channel, which is token.channel: clients subscribe by it"
        )
    if not 0 < len(channel) <= MAX_CHANNEL_LENGTH:
        raise ChannelError(
            f"a channel's name has 1 to {MAX_CHANNEL_LENGTH} characters; got {len(channel)}"
        )
    try:
        channel.encode()
    except UnicodeEncodeError:
        raise ChannelError("a channel's name has no lone surrogates") from None
    if _find_control_character(channel):
        raise ChannelError(f"a channel's name has no control characters; got {channel!r}")
    return channel
