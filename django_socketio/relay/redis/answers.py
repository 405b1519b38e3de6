"""The answers of the scripts that publish."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.receipt import NOBODY, Receipt
from django_socketio.relay.redis.cursor import NO_LOG
from django_socketio.relay.redis.packing import Outgoing
from django_socketio.relay.topics import Topic


class NotRun(ResponseError):
    """A call ended before it came to a message, or at it: nobody has got that message."""


def read_receipt(answer: bytes | int, topics: Sequence[Topic]) -> Receipt:
    """Return the receipt that the script answers, for a message of these topics."""
    if isinstance(answer, Receipt):  # ``expanded`` has made it
        return answer
    if isinstance(answer, int):
        return NOBODY
    received, epoch, offset, *rest = answer.decode().split()
    is_placed = len(topics) == 1 and epoch != NO_LOG
    position = StreamPosition(epoch, int(offset)) if is_placed else None
    untaken = tuple([topics[int(number) - 1] for number in rest[0].split(",")]) if rest else ()
    return Receipt(int(received), position, received == "0", untaken)


def read_receipts(
    answers: Sequence[Any], messages: Sequence[Outgoing]
) -> list[Receipt | ResponseError]:
    """Return the receipts that the script answers for a batch.

    If Redis has refused a message, it has the error, and all after it have ``NotRun``.
    """
    found: list[Receipt | ResponseError] = []
    for answer, message in zip(expanded(answers), messages, strict=False):
        if is_error(answer):
            text = answer[1:].decode(errors="replace")
            left = [NotRun(text)] * (len(messages) - len(found) - 1)
            return [*found, ResponseError(text), *left]
        found.append(_read(answer, message.topics))
    return found


def expanded(answers: Iterable[Any]) -> Iterator[Any]:
    """Return an answer for each message: Redis gives one for the rest of a run."""
    for answer in answers:
        if isinstance(answer, bytes) and answer[:1] == b"R":
            yield from _receipts_of_rest(answer)
        else:
            yield answer


def _receipts_of_rest(answer: bytes) -> list[Receipt]:
    received, epoch, first, last = answer[1:].decode().split()
    count, offsets = int(received), range(int(first), int(last) + 1)
    return [Receipt(count, StreamPosition(epoch, offset)) for offset in offsets]


def is_error(answer: Any) -> bool:
    """Return whether an answer about a message of a batch is the error that ended the batch."""
    return isinstance(answer, bytes) and answer.startswith(b"E")


def _read(answer: Any, topics: Sequence[Topic]) -> Receipt:
    if isinstance(answer, list):  # it was told to an earlier message
        return read_receipt(answer[0], topics).repeated()
    return read_receipt(answer, topics)
