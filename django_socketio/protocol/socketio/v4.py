"""Socket.IO 4 packets as packets of Socket.IO 5, and the other way round.

https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v4.md
(sections "Packet types" and "Exchange protocol")

Events, acknowledgments and DISCONNECT are the same in both. A CONNECT of revision 4 has the
client's data in the namespace's query, and its answer has no data. The error of a refused CONNECT
is a text.
"""

from urllib.parse import parse_qsl

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol import json
from django_socketio.protocol.socketio.packets import PacketType

MAX_FIELDS = 100
"""Fields of a query: half a million, which fit into a message, take half a second."""

CONNECT, CONNECT_ERROR = str(int(PacketType.CONNECT)), str(int(PacketType.CONNECT_ERROR))


def to_v5(text: str) -> str:
    """Return the text of a client's packet as Socket.IO 5 has it.

    The fields of a query become the data of the CONNECT, each with its last value.

    Raises:
        ProtocolError: the query has more than ``MAX_FIELDS`` fields.

    """
    if not text.startswith(f"{CONNECT}/"):
        return text
    namespace, found, query = text[1:].removesuffix(",").partition("?")
    data = json.dumps(_fields_of(query)) if found else ""
    return f"{CONNECT}{namespace},{data}"


def _fields_of(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise ProtocolError(f"the query of a namespace has more than {MAX_FIELDS} fields") from None


def to_v4(text: str) -> str:
    """Return the text of a server's packet as Socket.IO 4 has it; attachments stay as they are."""
    if text[:1] not in (CONNECT, CONNECT_ERROR):
        return text
    end = text.find(",") + 1 if text[1:2] == "/" else 1
    return text[:end] + (_error_of(text[end:]) if text[0] == CONNECT_ERROR else "")


def _error_of(data: str) -> str:
    """Return the data of a CONNECT_ERROR as that of an ERROR."""
    error = json.loads(data)
    return json.dumps(error.get("data") or error["message"])
