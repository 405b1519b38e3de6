"""The calls of handlers for one socket, with its request and its context."""

from collections.abc import Sequence
from typing import Any

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.tallies import REFUSALS
from django_socketio.events.handlers import Call
from django_socketio.exceptions import ChannelError, WrongArguments
from django_socketio.logs import get_logger
from django_socketio.sockets.replies import INTERNAL_ERROR, WRONG_ARGUMENTS, refusal_text
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.socket import Socket

logger = ClientLog(get_logger("django_socketio.sockets"))


class HandlerCalls:
    """Calls handlers for one socket.

    Attributes:
        request: the request of the handshake, as handlers get it.
        context: lasts as long as the socket.
        socket: the socket.

    """

    __slots__ = ("_server", "context", "request", "socket")

    _server: SocketServer
    context: dict[str, Any]
    request: Any
    socket: Socket

    def answer_to(self, name: str, args: Sequence[Any], call: Call | None = None) -> Any:
        """Handle a client's event; return the answer, ``UNHANDLED`` where no handler takes it.

        Args:
            call: handles the event; by default that of the pipeline for its name.

        """
        try:
            call = call or self._server.pipeline.messages[name]
            return call(self.request, self.socket, self.context, tuple(args))
        except (self._server.refusals, ChannelError) as refusal:
            REFUSALS.add("subscribe" if name == "subscribe" else "event")
            text = refusal_text(refusal)
            if not getattr(refusal, "is_logged", False):
                logger.info("%r: %s refused: %s", self.socket, name, text)
            return {"error": text}
        except WrongArguments as error:
            self._failed(error)
            return {"error": WRONG_ARGUMENTS}
        except failures() as error:
            self._failed(error)
            return {"error": INTERNAL_ERROR}

    def give_way(self) -> None:
        """Have sockets polled, in the midst of an event, if it has taken its share of a turn."""
        self._server.executor.give_way()

    def _run(self, call: Call, *args: Any) -> Any:
        return call(self.request, self.socket, self.context, args)

    def _guarded(self, call: Call, *args: Any) -> None:
        try:
            self._run(call, *args)
        except failures() as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self._server.pipeline.failures.handler_failed(
            error, self.request, self.socket, self.context
        )

    def _report(self, error: BaseException) -> None:
        self._server.pipeline.failures.report(error, self.request, self.socket, self.context)

    def _admits(self, may_have: Call, channel: str, unknown: bool = False) -> bool:
        """Return whether the client may have a channel; ``unknown`` where the call fails."""
        try:
            return self._run(may_have, channel) is not False
        except self._server.refusals:
            return False
        except failures() as error:
            self._failed(error)
            return unknown

    def _take_off(self, channel: str) -> None:
        """Take the socket off a channel that its client may not have any more."""
        if self.socket.unsubscribe(channel):
            logger.info("%r: taken off %r, which it may not have any more", self.socket, channel)
            self._guarded(self._server.pipeline.unsubscribe, channel)
