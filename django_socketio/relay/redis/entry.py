"""The entries of topics' logs, as Redis answers them."""

from typing import Any

REFERENCE = b"@"
"""The first byte of a reference: the rest is the key of a message that several topics share."""

GONE = REFERENCE
"""Stands for a shared message that is not kept any more: a reference to nothing."""


def offset_of(id: bytes) -> int:
    """Return the offset that the id of an entry stands for."""
    return int(id.partition(b"-")[0])


def fields_of(fields: Any) -> dict[bytes, bytes]:
    """Return the fields of an entry by their names; redis-py has done so where it knew how."""
    if isinstance(fields, dict):
        return fields
    return dict(zip(fields[::2], fields[1::2], strict=False))


def message_of(fields: dict[bytes, bytes]) -> bytes:
    """Return the message of an entry, or a reference to it; nothing of a foreign entry."""
    if b"r" in fields:
        return REFERENCE + fields[b"r"]
    return fields.get(b"m", b"")
