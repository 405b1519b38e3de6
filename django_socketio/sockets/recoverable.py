"""The sockets of clients that may come back: connection state recovery of the official client."""

from collections.abc import Iterable, Sequence
from typing import Any

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.offsets import Sent
from django_socketio.exceptions import CallTimeout
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.envelope import Delivery
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from django_socketio.sockets.acks import Callback
from django_socketio.sockets.away import Away
from django_socketio.sockets.calls import CALL_TIMEOUT
from django_socketio.sockets.life import ENDED, Lifecycle
from django_socketio.sockets.sent_events import SentEvents
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.socket import Socket
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.session import Session

_CHANNEL = TopicKind.CHANNEL

KNOWN_SECONDS = 60.0
"""Seconds for which messages are known that were taken over from another process."""


class RecoverableSocket(Socket):
    """A socket whose client may come back. The arguments are as of ``Socket``.

    While it is away, it stays on its channels, and events for it are kept.

    Args:
        away: the recoverable sockets of the process.

    Attributes:
        pid: the secret that the client is told with the answer to its CONNECT; then "".
        is_away: whether the connection has broken, and the client may come back.
        is_cut_off: whether the site has ended the socket, or messages were lost on its way here.
        recovered: whether the client has come back.
        placed: the channels that a handler has put the socket on.

    """

    __slots__ = (
        "_away",
        "_known",
        "_sent",
        "is_away",
        "is_cut_off",
        "keeps_positions",
        "pid",
        "placed",
        "recovered",
    )

    def __init__(
        self,
        id: str,
        namespace: str,
        auth: dict[str, Any],
        *,
        server: SocketServer,
        session: Session,
        lifecycle: Lifecycle,
        away: Away,
    ) -> None:
        super().__init__(id, namespace, auth, server=server, session=session, lifecycle=lifecycle)
        self._away = away
        self._sent = SentEvents(away.budget)
        self._known: set[str] | None = None
        self.pid = ""
        self.is_away: bool = False
        self.is_cut_off = False
        self.recovered: bool = False
        self.placed: frozenset[str] = frozenset()
        self.keeps_positions: bool = away.claims is not None
        """Whether another process may take the socket, which needs positions for that."""

    # Sending

    def deliver(self, encoded: EncodedPacket) -> bool:
        """Send a packet, and keep an event; while the socket is away, send nothing.

        An event with an acknowledgment id is not kept: the client would not move its offset.
        """
        if self.disconnect_reason is not None:
            return False
        if isinstance(encoded, EncodedEvent) and encoded.id is None:
            if self._known is not None and self._is_known(encoded.delivery):
                return True
            sent: Sent = encoded.render(self._away.offsets.of)
            self._sent.add(sent)
            if self.is_away:
                return True
            self._sent.forget_before(sent.at - self._away.budget.seconds)
            super().deliver(sent.event)
            return True  # the client may come back for it
        return not self.is_away and super().deliver(encoded)

    def upgraded(self, unfetched: Sequence[str | bytes]) -> None:
        """Note that the client has all packets but these, although its offset may be older.

        An official client that is closed while it upgrades handles the events of its last poll when
        it is back: after it has presented its offset.
        """
        if self.is_open and not self.is_away:
            self._sent.had_before(unfetched)

    def missed(self, topic: Topic) -> None:
        """Note that messages were lost: it cannot be told any more what the client has missed."""
        self._sent.lose()
        self._note_loss()

    def call(self, event: str, *args: Any, timeout: float | None = CALL_TIMEOUT) -> Any:
        """Send an event and wait for the client's answer; see ``Socket.call``."""
        if self.is_away:
            raise CallTimeout(f"{event!r} cannot be answered: the client is away")
        return super().call(event, *args, timeout=timeout)

    def _ask(self, event: str, args: tuple[Any, ...], answer: Callback | Any) -> bool:
        return not self.is_away and super()._ask(event, args, answer)

    # Channels

    def subscribe(self, channel: str) -> bool:
        """Put this socket on a channel, as the site's decision."""
        is_new = super().subscribe(channel)
        self.placed |= {channel}
        return is_new

    def left(self, channel: str) -> None:
        """Have the client ask for the channel if it is to have it again."""
        self.placed -= {channel}

    # Life

    def _answer_connect(self, data: dict[str, Any]) -> None:
        pid, self.pid = self.pid, ""
        super()._answer_connect({**data, "pid": pid})

    def leave(self) -> None:
        """Send nothing until the client comes back, and wait for no answers."""
        self.is_away = True
        self.subscriptions.note_away(True)
        if self._acks is not None:
            self._acks.cancel()

    def can_resume(self, offset: str | None) -> bool:
        """Return whether it is known what a client has missed."""
        return self._sent.after(offset) is not None

    def belong_to(self, lifecycle: Lifecycle, session: Session, auth: dict[str, Any]) -> None:
        """Have the socket be one of a new connection, on which nothing is sent yet."""
        self.lifecycle, self._session, self.auth = lifecycle, session, auth

    def resume(self, pid: str, offset: str | None, refused: frozenset[Topic]) -> bool:
        """Tell the client that it is back, and send what it has missed; False if unknown.

        Args:
            pid: the secret that the client has presented.
            offset: of the last event that it has had.
            refused: channels whose messages are not for the client any more.

        """
        missed = self._sent.resume(offset, lambda sent: self._is_for(sent, refused))
        if missed is None:
            return False
        self.is_away = False
        self.subscriptions.note_away(False)
        self.pid = pid
        self._answer_connect({"sid": self.id})
        for sent in missed:
            self._session.send(sent.event)
        return True

    def _is_for(self, sent: Sent, refused: frozenset[Topic]) -> bool:
        """Return whether an event is for the client although it is refused some channels."""
        delivery = sent.source.delivery
        topics = () if delivery is None else delivery.envelope.topics
        if refused.isdisjoint(topics):
            return True
        names = self.subscriptions.names
        mine = {channel_topic(self.namespace, name) for name in names}
        return any(one in mine or one.kind is not _CHANNEL for one in topics)

    # From one process to another

    @property
    def kept(self) -> list[Sent]:
        """The events that are kept for the client."""
        return self._sent.events

    @property
    def last_ack(self) -> int:
        """The ack id of the last event that the client was to answer; -1 before the first one."""
        return -1 if self._acks is None else self._acks.last

    def settle_in(self, placed: Iterable[str], last_ack: int) -> None:
        """Be open, and away, as in the process that has had the socket so far."""
        self._backlog, self.is_away = None, True
        self.placed = frozenset(placed)
        self.acks.go_on_after(last_ack)

    def keep(self, events: Iterable[Sent]) -> None:
        """Keep events for the client that another process has kept.

        Their messages, and those that come now, may come again for a while: from the log, by the
        relay, and by another of their topics.
        """
        self._known = set()
        for sent in events:
            self._sent.add(sent)
            self._is_known(sent.source.delivery)
        self._server.timers.after(KNOWN_SECONDS, self._forget_known)

    def _is_known(self, delivery: Delivery | None) -> bool:
        """Return whether a message has come before; note it."""
        if delivery is None or self._known is None:
            return False
        number, id = len(self._known), delivery.envelope.id
        self._known.add(id)
        return len(self._known) == number

    def _forget_known(self, now: float) -> None:
        self._known = None

    def _note_loss(self) -> None:
        """Have the client not go on with the socket if that is on its way to this process.

        What the other process has kept for the client comes only later, and hides the loss.
        """
        if self.lifecycle is ENDED:
            self.is_cut_off = True

    def abandon(self) -> None:
        """Leave all topics: the process that has had the socket keeps it."""
        self.end(Reason.TRANSPORT_CLOSE)
        self.finish()

    def cut_off(self, reason: str) -> None:
        """End the connection to this namespace for a reason; the client does not come back."""
        self.is_cut_off = True
        if self.is_away:
            self._end_away(reason)
        else:
            super().cut_off(reason)

    def _end_away(self, reason: str) -> None:
        if self.connected:  # or its lifecycle is about to go on with another socket
            self.lifecycle.end(reason)

    def overflow(self) -> None:
        """Cut the client off: too much waits for the end of ``on_connect`` or ``on_subscribe``."""
        self._note_loss()
        if self.is_away:
            self._end_away(Reason.SLOW_CLIENT)
        else:
            super().overflow()

    def finish(self) -> None:
        """Leave all channels, and release the lifecycle and all that was kept."""
        super().finish()
        self._sent.clear()
