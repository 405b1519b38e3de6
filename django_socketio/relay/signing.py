"""Signatures of messages, so that a process takes only what its own site has published."""

import hashlib
import hmac
import time
from collections.abc import Sequence

from django_socketio.exceptions import ProtocolError

SIGNED = b"~"
"""The first byte of a signed message; signature, time and message follow, with spaces between."""

SKEW = 60.0
"""Seconds by which the clocks of hosts may differ."""


class Signing:
    """Signs messages, and checks signatures: HMAC with SHA-256.

    Args:
        keys: those whose signatures are accepted; the first one signs.
        max_age: seconds that a signature is good for, beside ``SKEW``.

    """

    def __init__(self, keys: Sequence[bytes], max_age: float) -> None:
        self._keys = keys
        self._max_age = max_age + SKEW

    def sign(self, message: bytes) -> bytes:
        """Return a message with its signature, which covers the time."""
        content = b"%.3f %b" % (time.time(), message)
        return b"%b%b %b" % (SIGNED, _signature(self._keys[0], content), content)

    def checked(self, data: bytes) -> bytes:
        """Return the message of a signed one.

        Raises:
            ProtocolError: it is not signed, not by one of the keys, or too long ago.

        """
        signature, space, content = data.removeprefix(SIGNED).partition(b" ")
        if not data.startswith(SIGNED) or not space:
            raise ProtocolError("no signature (SOCKETIO_RELAY_SIGNING)")
        if not any(hmac.compare_digest(_signature(key, content), signature) for key in self._keys):
            raise ProtocolError("a signature by another key (SOCKETIO_RELAY_SIGNING, SECRET_KEY)")
        signed_at, _, message = content.partition(b" ")  # this site has written the time
        age = time.time() - float(signed_at)
        if not -SKEW <= age <= self._max_age:
            raise ProtocolError(f"a signature of {age:.0f} seconds ago (SOCKETIO_RELAY_SIGNING)")
        return message


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).hexdigest().encode()


def derived_key(secret: str | bytes) -> bytes:
    """Return the key that a site's secret stands for."""
    given = secret.encode() if isinstance(secret, str) else secret
    return hashlib.sha256(b"django_socketio.relay" + given).digest()
