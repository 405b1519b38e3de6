"""Binary in Socket.IO packets: it travels beside the JSON, which holds placeholders for it.

https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md
(section "Packet encoding")
"""

from typing import Any

from django_socketio.exceptions import MisplacedAttachment, ProtocolError
from django_socketio.protocol.stdjson import Default, refuse

PLACEHOLDER = "_placeholder"
"""The key by which an object is known to stand for an attachment."""


def detach_to(attachments: list[bytes], default: Default | None) -> Default:
    """Return what JSON's writer asks about values that it does not know.

    Binary goes to ``attachments``; ``default`` is asked about the rest.
    """

    def detach(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            attachments.append(bytes(value))
            return {PLACEHOLDER: True, "num": len(attachments) - 1}
        return refuse(value) if default is None else default(value)

    return detach


def attach(data: Any, attachments: list[bytes]) -> Any:
    """Return the data with its attachments in the place of their placeholders.

    What looks like a placeholder and names no attachment is data, and stays.

    Raises:
        MisplacedAttachment: an attachment has no place in the data, or several: data looks like its
            placeholder, or a small packet would become a huge one where it is sent on.
        ProtocolError: the data is nested too deeply.

    """
    places = [0] * len(attachments)
    try:
        whole = _put_back(data, attachments, places)
    except RecursionError:
        raise ProtocolError("the packet's payload is nested too deeply") from None
    for number, count in enumerate(places):
        if count != 1:
            raise MisplacedAttachment(f"attachment {number} has {count} places, one is expected")
    return whole


def _put_back(data: Any, attachments: list[bytes], places: list[int]) -> Any:
    if isinstance(data, list):
        return [_put_back(value, attachments, places) for value in data]
    if not isinstance(data, dict):
        return data
    number = _attachment_at(data)
    if number is not None and 0 <= number < len(attachments):
        places[number] += 1
        return attachments[number]
    return {key: _put_back(value, attachments, places) for key, value in data.items()}


def _attachment_at(data: dict[str, Any]) -> int | None:
    """Return the number of the attachment whose placeholder this is, None if it is none."""
    if data.get(PLACEHOLDER) is not True or len(data) != 2:
        return None
    number = data.get("num")
    return number if type(number) is int else None


def check_placeholders(text: str, attachments: list[bytes]) -> None:
    """Check that nothing but attachments has placeholders in the JSON text of a packet.

    Official clients end the connection over a placeholder that names no attachment; others take
    whatever has its key for one.

    Raises:
        ValueError: the packet's data has an object that looks like a placeholder.

    """
    # In JSON as it is written here, this is always a key; there is one for each attachment.
    if text.count(f'"{PLACEHOLDER}":') != len(attachments):
        raise ValueError(
            f'an object with the key "{PLACEHOLDER}" cannot be sent beside bytes: '
            "clients would take it for the place of an attachment"
        )
