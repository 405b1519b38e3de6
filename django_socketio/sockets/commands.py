"""The commands of a site to sockets: to leave, to join a channel, to leave a channel."""

from collections.abc import Callable
from typing import Any, Protocol

from django_socketio.channels import commands
from django_socketio.channels.backlogs import holds_commands, is_concerned, is_gated
from django_socketio.channels.encoded_event import Errand
from django_socketio.channels.registry import Channels, Receivers
from django_socketio.channels.subscriber import is_socket
from django_socketio.concurrency import hub_log
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.envelope import Delivery, ignore_kind
from django_socketio.sockets.life import Lifecycle

logger = get_logger("django_socketio.sockets")


class Commanded(Protocol):
    """A socket, as commands use it."""

    lifecycle: Lifecycle

    def cut_off(self, reason: str) -> None:
        """End the connection to the namespace."""

    def subscribe(self, channel: str) -> bool:
        """Put the socket on a channel."""

    def unsubscribe(self, channel: str) -> bool:
        """Take the socket off a channel."""


Run = Callable[[Commanded], None]
"""Carries a command out for a socket."""


class Commands:
    """Carries commands out for the sockets of this process.

    Args:
        channels: the channels of the process.

    """

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._by_name: dict[str, Callable[[Delivery, Receivers, str], int]] = {
            commands.DISCONNECT: self._disconnect,
            commands.SUBSCRIBE: self._subscribe,
            commands.UNSUBSCRIBE: self._unsubscribe,
            **dict.fromkeys((commands.CLAIM, commands.TAKE, commands.KEEP), self._claim),
        }

    def received(self, delivery: Delivery, receivers: Receivers) -> int:
        """Carry out a command; return for how many sockets."""
        envelope = delivery.envelope
        command = self._by_name.get(envelope.name)
        if command is None:  # of a newer process
            return ignore_kind(f"{envelope.kind} {envelope.name!r:.50}", hub_log.say)
        if not envelope.args or not isinstance(envelope.args[0], str):
            hub_log.say(logger.warning, "Ignored a command of no known form: %.100r", envelope)
            return 0
        return command(delivery, receivers, envelope.args[0])

    def _disconnect(self, delivery: Delivery, receivers: Receivers, reason: str) -> int:
        # Also those that wait to be admitted: the order of the two does not matter to the site.
        sockets: list[Any] = [socket for socket, _ in receivers]
        for socket in sockets:
            socket.cut_off(reason or Reason.SERVER_LEFT)
        return len(sockets)

    def _claim(self, delivery: Delivery, receivers: Receivers, claim_id: str) -> int:
        sockets: list[Any] = [socket for socket, _ in receivers if is_socket(socket)]
        for socket in sockets:
            socket.lifecycle.claimed(delivery.envelope.name, delivery.envelope.args)
        return len(sockets)

    def _unsubscribe(self, delivery: Delivery, receivers: Receivers, channel: str) -> int:
        def run(socket: Commanded) -> None:
            socket.lifecycle.obey(lambda _: socket.unsubscribe(channel))

        found: list[Any] = [*receivers]
        for socket, backlog in found:
            if not is_socket(socket):
                socket.unsubscribe(channel)
                continue
            run(socket)
            if holds_commands(backlog):  # an errand may put the socket on the channel
                self._add(socket, backlog, delivery, run)
        return len(found)

    def _subscribe(self, delivery: Delivery, receivers: Receivers, channel: str) -> int:
        def run(socket: Commanded) -> None:
            socket.lifecycle.obey(lambda _: socket.subscribe(channel))

        # A socket whose login is not examined yet waits for that, as with messages for its user.
        sockets = [(one, backlog) for one, backlog in receivers if is_socket(one)]
        concerned = [(one, backlog) for one, backlog in sockets if is_concerned(backlog)]
        found: list[Any] = concerned
        for socket, backlog in found:
            if is_gated(backlog):
                self._add(socket, backlog, delivery, run)
            else:
                run(socket)
        return len(concerned)

    def _add(self, socket: Any, backlog: Any, delivery: Delivery, run: Run) -> None:
        """Have a function called with a socket after all that waits in a backlog."""
        if not backlog.add(Errand(self._channels.encode(delivery), run)):
            socket.overflow()
