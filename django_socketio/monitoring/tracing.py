"""Spans of OpenTelemetry, from what sends a message over the relay to what delivers it.

Imported only while ``SOCKETIO_TRACING`` is set: needs ``django-socketio[opentelemetry]``.

The names of attributes are those of OpenTelemetry's semantic conventions for messaging, and
``socketio.…`` for what these do not have.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import time_ns
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, StatusCode

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.failures import failures
from django_socketio.events import is_of_site
from django_socketio.events.handlers import Call, Registration
from django_socketio.events.pipeline import HandlerLayer
from django_socketio.exceptions import RelayError
from django_socketio.monitoring.instruments import label_of
from django_socketio.relay import wire
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import (
    Deliver,
    Delivery,
    Envelope,
    EnvelopeKind,
    StreamPosition,
    Trace,
)
from django_socketio.relay.receipt import Received
from django_socketio.relay.topics import Topic

Attributes = Mapping[str, str | int | Sequence[str]]

tracer = trace.get_tracer("django_socketio")

_TRACED = frozenset((EnvelopeKind.EVENT, EnvelopeKind.CALL))
_SYSTEM = {"messaging.system": "socketio"}


def layer_of(refusals: type[Exception]) -> HandlerLayer:
    """Return the layer that makes a span of each call of a handler of the site.

    Args:
        refusals: the exceptions by which handlers refuse clients: they are no errors.

    """

    def layer(call: Call, registration: Registration) -> Call:
        if not is_of_site(registration.function):
            return call
        name = label_of(registration.function)

        def call_traced(request: Any, socket: Any, context: Any, args: Any) -> Any:
            with _handling(name, socket) as span:
                try:
                    return call(request, socket, context, args)
                except refusals:
                    span.set_attribute("socketio.refused", True)
                    raise
                except failures() as error:
                    _note(span, error)
                    raise

        return call_traced

    return layer


@contextmanager
def _handling(name: str, socket: Any) -> Iterator[Span]:
    # A greenlet begins with the context of what started it, which has nothing to do with the event.
    nothing = Context()
    attributes = _of_handler(name, socket)
    span = tracer.start_span(f"handle {name}", nothing, SpanKind.CONSUMER, attributes)
    token = attach(trace.set_span_in_context(span, nothing))
    try:
        yield span
    finally:
        detach(token)
        span.end()


def _of_handler(name: str, socket: Any) -> Attributes:
    attributes = {
        **_SYSTEM,
        "messaging.operation.name": "handle",
        "messaging.operation.type": "process",
        "code.function.name": name,
    }
    for attribute, of_socket in _OF_SOCKETS.items():
        if (value := getattr(socket, of_socket, None)) is not None:
            attributes[attribute] = value
    return attributes


_OF_SOCKETS = {"socketio.namespace": "namespace", "socketio.socket.id": "id"}


def _note(span: Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")


class TracedRelay:
    """A relay with a span for each message that is published, and for each that is delivered.

    The spans of deliveries belong to the trace of the publisher, in whichever process it is.
    """

    publishes_at_once = False
    """What takes the span of a message may wait, for a lock or for its server."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._delivering: dict[Deliver, Deliver] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._relay, name)

    def __str__(self) -> str:
        return str(self._relay)

    def publish(self, envelope: Envelope) -> Received:
        """Publish an envelope as the relay does, in a span; raises as ``Relay.publish``."""
        if envelope.kind not in _TRACED:
            return self._relay.publish(envelope)
        with _sending(f"send {envelope.name}", _described(envelope)):
            _mark([envelope])
            return self._relay.publish(envelope)

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Publish envelopes as the relay does, in one span; raises as ``Relay.publish_all``."""
        traced = [one for one in envelopes if one.kind in _TRACED]
        if not traced:
            return self._relay.publish_all(envelopes)
        with _sending(*_batch(traced)) as span:
            _mark(traced)
            results = self._relay.publish_all(envelopes)
            _note_failures(span, results)
            return results

    def subscribe(
        self, topic: Topic, deliver: Deliver, recoverable: bool = False
    ) -> StreamPosition | None:
        """Subscribe as the relay does; each delivery has a span."""
        return self._relay.subscribe(topic, self._traced(deliver), recoverable)

    def subscribe_all(
        self,
        topics: Iterable[Topic],
        deliver: Deliver,
        recoverable: bool = False,
        is_known: bool = False,
    ) -> dict[Topic, StreamPosition | None]:
        """Subscribe as the relay does; each delivery has a span."""
        return self._relay.subscribe_all(topics, self._traced(deliver), recoverable, is_known)

    def _traced(self, deliver: Deliver) -> Deliver:
        """Return what delivers in a span: the same for the same ``deliver``, as relays expect."""
        return self._delivering.setdefault(deliver, _delivering(deliver))


def _sending(name: str, attributes: Attributes) -> AbstractContextManager[Span]:
    operation = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    attributes = {**_SYSTEM, **operation, **attributes}
    return tracer.start_as_current_span(name, kind=SpanKind.PRODUCER, attributes=attributes)


def _batch(envelopes: Sequence[Envelope]) -> tuple[str, Attributes]:
    """Return the name and the attributes of a span for envelopes."""
    if len(envelopes) == 1:
        return f"send {envelopes[0].name}", _described(envelopes[0])
    return "send batch", {"messaging.batch.message_count": len(envelopes)}


def _described(envelope: Envelope) -> Attributes:
    return {
        "messaging.message.id": envelope.id,
        "messaging.destination.name": ", ".join(map(str, envelope.topics)),
        "socketio.event": envelope.name,
        "socketio.namespace": envelope.namespace,
    }


def _mark(envelopes: Iterable[Envelope]) -> None:
    """Have envelopes carry the current span to the processes that deliver them."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    for envelope in envelopes if carrier else ():
        _carry(envelope, carrier)


def _carry(envelope: Envelope, carrier: Trace) -> None:
    if envelope.encoded and envelope.trace is not None:
        return  # it is tried again, with the trace of the first try
    envelope.trace = carrier
    if envelope.encoded:
        envelope.encoded = wire.add_trace(envelope.encoded, carrier)


def _note_failures(span: Span, results: Sequence[object]) -> None:
    for error in [one for one in results if isinstance(one, RelayError)][:1]:
        _note(span, error)


def _delivering(deliver: Deliver) -> Deliver:
    def deliver_traced(delivery: Delivery) -> int:
        if delivery.envelope.trace is None:
            return deliver(delivery)
        begin = time_ns()
        received = deliver(delivery)
        # This is the event loop: what takes spans may wait, for a lock or for its server.
        hub_log.say(_note_delivery, delivery.envelope, received, begin, time_ns())
        return received

    return deliver_traced


def _note_delivery(envelope: Envelope, received: int, begin: int, end: int) -> None:
    operation = {"messaging.operation.name": "deliver", "messaging.operation.type": "process"}
    attributes = {**_SYSTEM, **operation, **_described(envelope), "socketio.sockets": received}
    context = propagate.extract(envelope.trace or {})
    name = f"deliver {envelope.name}"
    tracer.start_span(name, context, SpanKind.CONSUMER, attributes, start_time=begin).end(end)
