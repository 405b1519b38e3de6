"""Signatures of messages, so that a process takes only what its own site has published."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence

from django_socketio.exceptions import ProtocolError
from django_socketio.relay.topics import DEFAULT_RETENTIONS, Retentions, Topic

SIGNED = b"~"
"""The first byte of a signed message; signature, time and message follow, with spaces between."""

SKEW = 60.0
"""Seconds by which the clocks of hosts may differ."""


class SignatureExpired(ProtocolError):
    """A message of this site is too old, or of a clock that is ahead, to be told from a copy."""


class Signing:
    """Signs messages, and checks signatures: HMAC with SHA-256.

    Args:
        keys: those whose signatures are accepted; the first one signs.
        retentions: how long a signature is good for, beside ``SKEW``: as long as the log of a topic
            of the message is kept.

    """

    def __init__(self, keys: Sequence[bytes], retentions: Retentions = DEFAULT_RETENTIONS) -> None:
        self._keys = keys
        self._retentions = retentions

    def sign(self, message: bytes) -> bytes:
        """Return a message with its signature, which covers the time."""
        content = b"%.3f %b" % (time.time(), message)
        return b"%b%b %b" % (SIGNED, _signature(self._keys[0], content), content)

    def opened(self, data: bytes) -> tuple[bytes, float]:
        """Return the message of a signed one, and how many seconds ago it was signed.

        Raises:
            ProtocolError: it is not signed, or not by one of the keys.

        """
        signature, space, content = data.removeprefix(SIGNED).partition(b" ")
        if not data.startswith(SIGNED) or not space:
            raise ProtocolError("no signature (SOCKETIO_RELAY_SIGNING)")
        if not any(hmac.compare_digest(_signature(key, content), signature) for key in self._keys):
            raise ProtocolError("a signature by another key (SOCKETIO_RELAY_SIGNING, SECRET_KEY)")
        signed_at, _, message = content.partition(b" ")  # this site has written the time
        return message, time.time() - float(signed_at)

    def check_age(
        self, age: float, topics: Iterable[Topic] = (), kept: float = 0.0, late: float = 0.0
    ) -> None:
        """Check that a message was not signed too long ago.

        Args:
            topics: those of the message.
            kept: the seconds for which the message itself says that it is kept.
            late: those for which it says that it may be published after it was signed.

        Raises:
            SignatureExpired: it was, or by a clock that is too far ahead.

        """
        retentions = self._retentions
        times = (retentions.of(topic).seconds for topic in topics)
        longest = max([retentions.default.seconds, retentions.away, kept, *times]) + late
        if not -SKEW <= age <= longest + SKEW:
            text = f"a signature of {age:.0f} seconds ago (SOCKETIO_RELAY_SIGNING)"
            raise SignatureExpired(text)


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).hexdigest().encode()


def derived_key(secret: str | bytes) -> bytes:
    """Return the key that a site's secret stands for."""
    given = secret.encode() if isinstance(secret, str) else secret
    return hashlib.sha256(b"django_socketio.relay" + given).digest()
