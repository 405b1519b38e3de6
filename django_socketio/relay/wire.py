"""Envelopes as they travel between processes and stand in logs: JSON with a version, no pickle.

The version changes only when an older process could not read a message correctly. Within one
version, fields may be added: a process ignores the fields that it does not know, does without those
that an older process does not write, and ignores whole messages of a kind that it does not know.
"""

import re
from base64 import b64decode, b64encode
from typing import Any

from django_socketio.exceptions import EventError, ProtocolError
from django_socketio.protocol import json
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.attachments import PLACEHOLDER
from django_socketio.protocol.socketio.names import FRAGMENT, check_event_name
from django_socketio.protocol.socketio.packets import Decoder, Packet, PacketType
from django_socketio.relay.envelope import (
    EncodedData,
    Envelope,
    EnvelopeKind,
    ReplyTo,
    StreamPosition,
    Trace,
)
from django_socketio.relay.repeats import REMEMBERED
from django_socketio.relay.topics import Topic, key_of_topic, topic_of_key

VERSION = 2
MAX_ATTACHMENTS = 1_000_000_000
"""Attachments of an envelope: nothing limits what a server sends but the server itself."""

MAX_DEPTH = 250
"""Levels of lists and objects in a message: JSON's writers write as many on whichever stack."""


_KINDS = {kind.value: kind for kind in EnvelopeKind}
_PLAIN = Decoder(MAX_ATTACHMENTS)


class UnknownKind(Exception):
    """A message is of a kind that only newer processes know.

    Args:
        kind: the kind, as the message names it.
        id: the message's identity.

    """

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.id = id


_PACKETS = frozenset((EnvelopeKind.EVENT, EnvelopeKind.CALL, EnvelopeKind.REPLY))
"""Kinds that travel as packets of Socket.IO, which may hold bytes."""

_PLACEHOLDER = f'"{PLACEHOLDER}"'


def encode(envelope: Envelope, default: json.Default | None = None) -> bytes:
    """Return an envelope as bytes; ``default`` turns values into ones that JSON knows.

    Refuses what ``decode`` would refuse.

    Raises:
        EventError: the event or the namespace cannot have its name.
        TypeError, ValueError: an argument cannot be written as JSON, or read again.

    """
    if envelope.kind in _PACKETS:
        return _encode_event(envelope, default)
    return _encode_command(envelope, default)


def _encode_event(envelope: Envelope, default: json.Default | None) -> bytes:
    text, attachments = _event_data(envelope, default)
    content: dict[str, Any] = {
        "version": VERSION,
        "kind": envelope.kind.value,
        "id": envelope.id,
        "topics": [*map(key_of_topic, envelope.topics)],
        "exclude": envelope.exclude,
        "packet": socketio.event_header(envelope.namespace, None, len(attachments)) + text,
        "attachments": [b64encode(data).decode() for data in attachments],
    }
    if envelope.keep > 0:
        content["keep"] = envelope.keep
    if envelope.once and len(envelope.topics) > 1:
        content["late"] = REMEMBERED
    if envelope.reply_to is not None:
        content["reply_to"] = envelope.reply_to
    if envelope.trace is not None:
        content["trace"] = envelope.trace
    return json.dumps(content).encode()


def encode_data(envelope: Envelope, default: json.Default | None = None) -> EncodedData | None:
    """Return the data of a packet; None for an envelope that travels in another form.

    Refuses what ``encode`` would refuse, so that all relays refuse the same.

    Raises:
        EventError: the event or the namespace cannot have its name.
        TypeError, ValueError: an argument cannot be written as JSON, or read again.

    """
    if envelope.kind in _PACKETS:
        return _event_data(envelope, default)
    _encode_command(envelope, default)
    return None


def _event_data(envelope: Envelope, default: json.Default | None) -> EncodedData:
    if envelope.name != FRAGMENT:  # which is for emit_template only
        check_event_name(envelope.name)
    if envelope.namespace != "/":  # as most are
        _check_namespace(envelope.namespace)
    text, attachments = socketio.encode_data([envelope.name, *envelope.args], default)
    _check_depth(text)
    return text, attachments


def _encode_command(envelope: Envelope, default: json.Default | None) -> bytes:
    _check_types((envelope.namespace, envelope.name), str)
    content = {
        "version": VERSION,
        "kind": envelope.kind.value,
        "id": envelope.id,
        "topics": [*map(key_of_topic, envelope.topics)],
        "namespace": envelope.namespace,
        "name": envelope.name,
        "args": envelope.args,
    }
    text = json.dumps(content, default)
    _check_depth(text)
    return text.encode()


def decode(data: bytes) -> Envelope:
    """Return the envelope that the bytes hold, with those of its topics whose kind is known.

    Raises:
        ProtocolError: they are no envelope, or one of another version.
        UnknownKind: they are an envelope of a kind that only newer processes know.

    """
    try:
        text = data.decode()
        content = json.loads(text)
        if content["version"] != VERSION:
            raise ProtocolError(_other_version(content["version"]))
        return _envelope(content, text)
    except ProtocolError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"no envelope of django-socketio: {error!r:.100}") from None


def add_trace(encoded: bytes, trace: Trace) -> bytes:
    """Return an encoded envelope with the trace in which it is published, later than encoded."""
    return encoded[:-1] + b',"trace":' + json.dumps(trace).encode() + b"}"


def decode_own(envelope: Envelope) -> Envelope:
    """Return an envelope that was encoded before, with the arguments that it had then."""
    decoded = decode(envelope.encoded)
    decoded.keep, decoded.once = envelope.keep, envelope.once
    return decoded


def _other_version(version: Any) -> str:
    """Return the text of an error that names the processes which write another version."""
    publisher = "django-socketio before 1.0" if version == 1 else "another django-socketio"
    return f"an envelope of version {version!r:.20}, not {VERSION}, published by {publisher}"


def _envelope(content: dict[str, Any], text: str) -> Envelope:
    kind, id, keys = content["kind"], content["id"], content["topics"]
    _check_types((id, kind), str)
    _check_types((keys,), list)
    known = _KINDS.get(kind)
    if known is None:
        raise UnknownKind(kind, id)
    # Topics of kinds that only newer processes know are left out: this one subscribes to none.
    topics = tuple([topic for topic in map(topic_of_key, keys) if topic is not None])
    if known in _PACKETS:
        return _event(content, topics, id, known)
    return _command(content, topics, id, known, text)


def _event(
    content: dict[str, Any], topics: tuple[Topic, ...], id: str, kind: EnvelopeKind
) -> Envelope:
    packet, exclude = _packet(content["packet"], content["attachments"]), content["exclude"]
    if exclude is not None:
        _check_types((exclude,), str)
    name, *args = packet.data
    keep = float(content.get("keep", 0.0))
    envelope = Envelope(topics, packet.namespace, name, tuple(args), exclude, kind, id, keep)
    if "late" in content:
        envelope.late = float(content["late"])
    if "reply_to" in content:
        envelope.reply_to = _reply_to(*content["reply_to"])
    if "trace" in content:
        envelope.trace = _trace(content["trace"])
    return envelope


def _reply_to(name: Any, timeout: Any, wants_all: Any, *later: Any) -> ReplyTo:
    _check_types((name,), str)
    return ReplyTo(name, float(timeout), bool(wants_all))


def _trace(fields: Any) -> Trace:
    _check_types((fields,), dict)
    _check_types((*fields.values(),), str)
    trace: Trace = fields
    return trace


def _command(
    content: dict[str, Any], topics: tuple[Topic, ...], id: str, kind: EnvelopeKind, text: str
) -> Envelope:
    namespace, name, args = content["namespace"], content["name"], content["args"]
    _check_types((namespace, name), str)
    _check_types((args,), list)
    _check_depth(text)
    return Envelope(topics, namespace, name, tuple(args), kind=kind, id=id)


def _packet(text: str, attachments: list[str]) -> Packet:
    _check_types((attachments,), list)
    _check_depth(text)
    # An event without attachments leaves nothing in a decoder: all threads can use the same one.
    decoder = Decoder(MAX_ATTACHMENTS) if attachments or text[:1] != "2" else _PLAIN
    packet = decoder.feed(text)
    for attachment in attachments:
        packet = decoder.feed(b64decode(attachment, validate=True))
    if packet is None or packet.type is not PacketType.EVENT:
        raise ProtocolError("an envelope without a whole event")
    # As many keys as attachments are placeholders, unless escapes hide a key.
    if attachments and (text.count(_PLACEHOLDER) != len(attachments) or "\\u" in text):
        socketio.encode_data(packet.data)  # refuses what looks like a placeholder beside bytes
    return packet


def _check_namespace(namespace: str) -> None:
    if not isinstance(namespace, str) or namespace[:1] != "/" or "," in namespace:
        raise EventError(
            f"a namespace begins with a slash and holds no comma; got {namespace!r:.100}"
        )


def _check_depth(text: str) -> None:
    """Check that JSON text, after a packet's first characters, can be written again.

    Raises:
        ProtocolError: it is nested too deeply, or it is no JSON.

    """
    # Few texts are so long and have so many brackets, and are walked through.
    if len(text) <= MAX_DEPTH or text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    if _depth(text) > MAX_DEPTH:
        raise ProtocolError(f"a message is nested more than {MAX_DEPTH} levels deep")


def _depth(text: str) -> int:
    begin = 0 if text[0] == "{" else text.index("[")
    depth, level = 0, [json.loads(text[begin:])]
    while level := [value for value in level if isinstance(value, (list, dict))]:
        depth += 1
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _check_types(values: tuple[Any, ...], expected: type) -> None:
    for value in values:
        if type(value) is not expected:
            raise TypeError(f"{value!r:.20} is no {expected.__name__}")


# A message travels after its place: "<epoch> <offset> ", then any number of "<field>=<value> "
# that newer processes may add, then an envelope, a signed one or a reference to one.

_FIELDS = re.compile(rb"(?:[a-z]+=[^ ]* )+")


def decode_place(data: bytes) -> tuple[StreamPosition, bytes]:
    """Return the place that a published message has in its topic, and the message.

    Raises:
        ValueError: the bytes do not begin with a place.

    """
    epoch, offset, message = data.split(b" ", 2)
    if message[:1].islower() and (fields := _FIELDS.match(message)):
        message = message[fields.end() :]
    return StreamPosition(epoch.decode(), int(offset)), message
