"""An event on its way to sockets: its data, and the JSON text that all its forms share."""

from collections.abc import Callable, Sequence
from typing import Any

from django_socketio.protocol.socketio.packets import event_header
from django_socketio.relay.envelope import Delivery
from django_socketio.transports.encoded import EncodedPacket


class EncodedEvent(EncodedPacket):
    """An event for any number of receivers, rendered for each dialect that one of them speaks.

    All forms of an event share its JSON text: a Socket.IO packet is a header before the text, and
    another argument is a few characters at its end.

    Args:
        namespace: the Socket.IO namespace.
        data: the name of the event and its arguments.
        id: the acknowledgment id; None if the sender expects no acknowledgment.
        text: ``data`` as JSON, with placeholders for attachments.
        attachments: the binary in ``data``.
        delivery: the delivery that the event came by, with its topic and its position there; None
            for an event that is sent to one socket directly.

    Attributes:
        placed: the form for clients that keep positions, once one of them has needed it.

    """

    placed: "EncodedEvent | None"

    __slots__ = ("attachments", "data", "delivery", "id", "namespace", "placed", "text")

    def __init__(
        self,
        namespace: str,
        data: list[Any],
        id: int | None,
        text: str,
        attachments: Sequence[bytes],
        delivery: Delivery | None = None,
    ) -> None:
        # As the base class does: super() would take a sixth of the time of a send.
        self._contents = self._forms = self.framed = self.placed = None
        self.namespace = namespace
        self.data = data
        self.id = id
        self.text = text
        self.attachments = attachments
        self.delivery = delivery

    def make_contents(self) -> Sequence[str | bytes]:
        """Return the packet of Socket.IO 5 in packets of Engine.IO 4."""
        if self.namespace == "/" and self.id is None and not self.attachments:  # as most events
            return ("42" + self.text,)
        header = event_header(self.namespace, self.id, len(self.attachments))
        return [f"4{header}{self.text}", *self.attachments]


class Errand(EncodedEvent):
    """A message that is no event: something is to be done with each receiver.

    It waits among the events for a receiver whose login is not examined yet.

    Args:
        event: the message in its form as an event.
        run: is called with each receiver.
        drop: is called with each receiver that leaves before that.

    """

    __slots__ = ("drop", "run")

    def __init__(
        self,
        event: EncodedEvent,
        run: Callable[[Any], object],
        drop: Callable[[Any], object] = lambda receiver: None,
    ) -> None:
        delivery = event.delivery
        super().__init__(event.namespace, event.data, None, event.text, event.attachments, delivery)
        self.run, self.drop = run, drop
