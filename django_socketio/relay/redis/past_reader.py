"""Reading topics' pasts: their positions, what came after a position, and histories."""

from collections.abc import Iterable

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.envelope import (
    Delivery,
    LogRange,
    StreamPosition,
    ignore_kind,
    is_complete,
    is_cut,
    is_history_complete,
    newest,
)
from django_socketio.relay.redis.decoder import MessageDecoder, MessageGone
from django_socketio.relay.redis.log import MessageLog
from django_socketio.relay.redis.past import Past, PastEntry, Question
from django_socketio.relay.redis.refusals import asking
from django_socketio.relay.topics import Retentions, Topic


class PastReader:
    """Reads what the logs of topics have.

    Args:
        log: the logs.
        decoder: turns messages into envelopes.
        retentions: which topics have a history.

    """

    def __init__(self, log: MessageLog, decoder: MessageDecoder, retentions: Retentions) -> None:
        self._log = log
        self._decoder = decoder
        self._retentions = retentions

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        with asking("for a position"):
            return self._log.look(topic, Question(limit=0)).position

    def read(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return messages of a topic's log after a position."""
        with asking("for messages"):
            past = self._log.look(topic, Question(after, limit))
            deliveries, is_readable = self._deliveries(topic, past, past.entries)
        offsets = [entry.offset for entry in past.entries]
        is_whole = is_complete(offsets, past.position, after, limit, past.mark)
        is_whole = is_whole and is_readable and past.is_proven
        return LogRange(deliveries, past.position, is_whole, is_cut(offsets, limit))

    def history(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return the newest messages of a topic's history after a position."""
        retention = self._retentions.of(topic)
        limit = retention.limit(limit)
        with asking("for the history"):
            wanted = limit if retention.is_history else None
            past = self._log.look(topic, Question(after, wanted, newest=True))
            found = [one for one in past.entries if one.until is not None and one.until > past.time]
            found = newest(found, limit)
            deliveries, is_readable = self._deliveries(topic, past, found)
        offsets = [entry.offset for entry in found]
        kept = ((entry.offset, entry.until is not None) for entry in past.entries)
        is_whole = is_history_complete(offsets, kept, past.position, after, past.mark)
        return LogRange(deliveries, past.position, is_whole and is_readable and past.is_proven)

    def _deliveries(
        self, topic: Topic, past: Past, entries: Iterable[PastEntry]
    ) -> tuple[tuple[Delivery, ...], bool]:
        """Return deliveries of entries, and whether each entry can be read."""
        deliveries, is_readable = [], True
        for offset, message, _ in entries:
            try:
                envelope = self._decoder.decode(topic, message)
            except wire.UnknownKind as unknown:
                ignore_kind(unknown.kind)
            except (ProtocolError, MessageGone):
                is_readable = False
            else:
                place = None if past.position is None else past.position._replace(offset=offset)
                deliveries.append(Delivery(envelope, topic, place))
        return tuple(deliveries), is_readable
