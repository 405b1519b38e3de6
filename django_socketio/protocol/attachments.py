"""Binary in Socket.IO packets: it travels beside the JSON, which holds placeholders for it.

https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md
(section "Packet encoding")
"""

from typing import Any

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.stdjson import Default, refuse


def detach_to(attachments: list[bytes], default: Default | None) -> Default:
    """Return what JSON's writer asks about values that it does not know.

    Binary goes to ``attachments``; ``default`` is asked about the rest.
    """

    def detach(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            attachments.append(bytes(value))
            return {"_placeholder": True, "num": len(attachments) - 1}
        return refuse(value) if default is None else default(value)

    return detach


def attach(data: Any, attachments: list[bytes]) -> Any:
    """Return the data with its attachments in the place of their placeholders.

    Raises:
        ProtocolError: a placeholder names none of them, or the data is nested too deeply.

    """
    try:
        return _put_back(data, dict(enumerate(attachments)))
    except RecursionError:
        raise ProtocolError("the packet's payload is nested too deeply") from None


def _put_back(data: Any, attachments: dict[int, bytes]) -> Any:
    if isinstance(data, list):
        return [_put_back(value, attachments) for value in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is True:
        return _attachment(data.get("num"), attachments)
    return {key: _put_back(value, attachments) for key, value in data.items()}


def _attachment(number: Any, attachments: dict[int, bytes]) -> bytes:
    # Each has one place, or a small packet would become a huge one where it is sent on.
    if type(number) is not int or number not in attachments:
        raise ProtocolError(f"a placeholder names attachment {number!r:.20}, which is not there")
    return attachments.pop(number)
