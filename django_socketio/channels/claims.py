"""The sockets of other processes that this process asks for: their clients have come here."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.event import AsyncResult

from django_socketio.channels.calls import Callers, replies_topic
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.envelope import UNLOGGED, Envelope, EnvelopeKind
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.sockets")

CLAIMED = "claimed"
"""The name of the replies to claims."""

MOST = 1000
"""Claims that may wait for answers at the same time."""


class Claims:
    """The questions of this process about sockets of others, and the wait for the answers.

    A question goes to the topic of the socket, to which its owner subscribes, wherever it is.

    Args:
        callers: hears the answers.
        publish: publishes an envelope.
        step_out: calls a function that waits, while other handlers run.

    """

    def __init__(
        self,
        callers: Callers,
        publish: Callable[[Envelope], int],
        step_out: Callable[[Callable[[], object]], object],
    ) -> None:
        self._callers = callers
        self._publish = publish
        self._step_out = step_out
        self._waiting: dict[str, AsyncResult] = {}
        callers.others[CLAIMED] = self.received

    def ask(
        self, topic: Topic, command: str, claim_id: str, *args: Any, timeout: float
    ) -> list[Any] | None:
        """Send a command about a socket to its owner, and wait for the answer; called in a worker.

        Returns the values of the answer; None if none has come in time.
        """
        if len(self._waiting) >= MOST:
            return None
        answer = self._waiting[claim_id] = AsyncResult()
        try:
            self._callers.listen()
            if not self.send(topic, command, claim_id, self._callers.name, *args):
                return None
            self._step_out(partial(answer.wait, timeout))
            return answer.get(block=False) if answer.ready() else None
        finally:
            del self._waiting[claim_id]

    def send(self, topic: Topic, command: str, *args: Any) -> bool:
        """Send a command about a socket; return whether a process has received it."""
        envelope = Envelope(
            (topic,), topic.namespace, command, args, kind=EnvelopeKind.CONTROL, keep=UNLOGGED
        )
        try:
            return self._publish(envelope) > 0
        except RelayError as error:
            logger.info("The owner of %s was not asked for it: %s", topic, error)
            return False

    def received(self, envelope: Envelope) -> int:
        """Take an answer; one that nothing waits for any more is dropped."""
        claim_id, *values = envelope.args or ("",)
        answer = self._waiting.get(claim_id) if isinstance(claim_id, str) else None
        if answer is None:
            return 0
        answer.set(values)
        return 1


def answer_to(reply_to: str, claim_id: str, *values: Any) -> Envelope:
    """Return the answer to a question of another process."""
    args = (claim_id, *values)
    return Envelope((replies_topic(reply_to),), "/", CLAIMED, args, kind=EnvelopeKind.REPLY)
