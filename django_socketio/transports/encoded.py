"""Packets on their way out, encoded once for all receivers that need the same form.

A *form* is a function that takes an ``EncodedPacket`` and returns the bytes that one kind of
receiver needs: the parts of a long-polling payload, compressed frames, a packet of another protocol
version. The form is rendered for the first receiver that needs it and shared by all others. A new
dialect is a new function: the registry of channels and the other transports stay as they are.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import PROBE
from django_socketio.protocol.websocket import frames as websocket

Rendered = TypeVar("Rendered")


class EncodedPacket:
    """A packet for any number of receivers.

    A Socket.IO packet with attachments is several Engine.IO packets, which travel together.

    Args:
        contents: the Engine.IO 4 packets, each as ``engineio.encode`` returns it; None in a
            subclass that makes them when a receiver needs them.

    """

    __slots__ = ("_contents", "_forms", "framed")

    def __init__(self, contents: Sequence[str | bytes] | None = None) -> None:
        self._contents = contents
        self._forms: dict[Any, Any] | None = None
        self.framed: bytes | None = None
        """``frames``, once a receiver has needed them."""

    @property
    def contents(self) -> Sequence[str | bytes]:
        """The Engine.IO 4 packets, as the contents of WebSocket messages."""
        if self._contents is None:
            self._contents = self.make_contents()
        return self._contents

    def make_contents(self) -> Sequence[str | bytes]:
        """Return the Engine.IO 4 packets, where the constructor did not get them."""
        raise NotImplementedError

    @property
    def frames(self) -> bytes:
        """The WebSocket frames of the packet: the form that most receivers need."""
        if self.framed is None:
            contents = self.contents
            if len(contents) == 1:  # most have
                self.framed = websocket.frame(contents[0])
            else:
                self.framed = b"".join(map(websocket.frame, contents))
        return self.framed

    def render(self, form: Callable[[Any], Rendered]) -> Rendered:
        """Return ``form(self)``; the form is called once, however many receivers need it.

        Args:
            form: a function of this packet. The same function is the same form.

        """
        if self._forms is None:
            self._forms = {}
        rendered: Rendered | None = self._forms.get(form)
        if rendered is None:
            rendered = self._forms[form] = form(self)
        return rendered


def payload_parts(encoded: EncodedPacket) -> list[bytes]:
    """Return a packet as parts of a long-polling payload."""
    return [engineio.payload_part(content) for content in encoded.contents]


@cache
def deflated(threshold: int) -> Callable[[EncodedPacket], EncodedPacket]:
    """Return the form of a packet for clients that take compressed frames.

    Args:
        threshold: size in bytes from which a packet is compressed.

    """

    def form(encoded: EncodedPacket) -> EncodedPacket:
        variant = EncodedPacket(encoded.contents)
        variant.framed = _deflated_frames(encoded, threshold)
        return variant

    return form


def _deflated_frames(encoded: EncodedPacket, threshold: int) -> bytes:
    contents = encoded.contents
    frames = [websocket.deflated_frame(content, threshold) for content in contents]
    if not any(frames):
        return encoded.frames  # the very bytes that all other clients get
    pairs = zip(frames, contents, strict=True)
    return b"".join([frame or websocket.frame(content) for frame, content in pairs])


def one(type: engineio.PacketType, data: str = "") -> EncodedPacket:
    """Return a single Engine.IO packet, ready to be sent."""
    return EncodedPacket([engineio.encode(engineio.Packet(type, data))])


PING = one(engineio.PacketType.PING)
PROBE_ANSWER = one(engineio.PacketType.PONG, PROBE)
