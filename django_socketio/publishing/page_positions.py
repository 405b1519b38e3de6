"""``page_position``: the place in a channel from which a page goes on that was rendered before."""

from django_socketio.channels.names import check_channel
from django_socketio.channels.positions import position_text
from django_socketio.channels.publish import keep_from_now
from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.relay.history_rules import is_time
from django_socketio.relay.topics import channel_topic

LONGEST = 86_400.0
"""Seconds for which a page may be on its way."""


def page_position(channel: str, *, seconds: float = 60.0, namespace: str = "/") -> str:
    """Return the position of a channel, for ``socket.subscribe(channel, {since: position})``.

    A view calls it before it reads the data of the page, and before the first query of a
    transaction that sees only what was there at its beginning. The page then gets each message
    that was published since, if messages are published after the commit (``on_commit``).

    Args:
        seconds: how long the page may take to subscribe; the channel's messages are kept meanwhile.

    Raises:
        ChannelError: the name of the channel is not allowed.
        RelayError: the relay cannot be asked; ``NoRelay`` if this process has none.
        ValueError: the seconds are no positive number, or more than a day.

    """
    if not is_time(seconds) or seconds > LONGEST:
        raise ValueError(
            f"page_position(seconds=…) takes a number of seconds up to {LONGEST:.0f}, "
            f"not {seconds!r:.100}"
        )
    topic = channel_topic(check_namespace(namespace), check_channel(channel))
    return position_text(keep_from_now(topic, float(seconds)))
