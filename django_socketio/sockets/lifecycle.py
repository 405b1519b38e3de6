"""The lifecycle of one socket, from its CONNECT to its last handler.

The event loop puts each packet of the client, and the end, into the mailbox of the socket. A worker
runs the mailbox, which calls the handlers one after the other.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django_socketio.channels.backlogs import Gate
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.mailbox import Mailbox, Pool
from django_socketio.concurrency.tallies import REFUSALS
from django_socketio.events.pipeline import UNHANDLED
from django_socketio.exceptions import ChannelError, ProtocolError
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio.packets import Packet
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.topics import Topic, channel_topic
from django_socketio.sockets.acks import pack
from django_socketio.sockets.handler_calls import HandlerCalls
from django_socketio.sockets.keeping import make_socket
from django_socketio.sockets.owner import LoginState, SocketOwner
from django_socketio.sockets.replies import (
    INTERNAL_ERROR,
    acknowledge,
    refusal_text,
    refuse_connect,
)
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.socket import Socket
from django_socketio.sockets.subscriptions import Ask
from django_socketio.transports.session import Session

logger = ClientLog(get_logger("django_socketio.sockets"))

CALLING_FACTOR = 10
"""Factor by which a client may exceed the limits of waiting events while anybody waits for its
answer."""


class SocketLifecycle(HandlerCalls):
    """The lifecycle of one socket: its CONNECT, events and end, with their request and context.

    Args:
        server: the server that the socket belongs to.
        session: the session that carries the socket's packets.
        request: the request of the handshake, as handlers get it.
        packet: the CONNECT.
        client: the client that the socket is one of.
        executor: runs the mailbox.

    """

    __slots__ = (
        "_accepted",
        "_client",
        "_mailbox",
        "_paused",
        "_session",
        "_waiting_bytes",
    )

    def __init__(
        self,
        server: SocketServer,
        session: Session,
        request: Any,
        packet: Packet,
        client: SocketOwner,
        executor: Pool,
    ) -> None:
        self._server = server
        self._session = session
        self._client = client
        self._waiting_bytes = 0
        self._mailbox = Mailbox(executor)
        self._accepted = False
        self._paused = False
        self.request = request
        self.context: dict[str, Any] = {}
        self.socket = self._make_socket(packet)

    def _make_socket(self, packet: Packet) -> Socket:
        return make_socket(packet, self._server, self._session, self)

    @property
    def is_idle(self) -> bool:
        """Whether the socket is accepted, and no job of the socket runs or waits."""
        return self._accepted and not self._mailbox.is_running

    # In the event loop: each method puts a job into the mailbox

    def connect(self) -> None:
        """Have ``on_connect`` accept or refuse the socket."""
        self._server.open_sockets.add(self)
        self._mailbox.put(self._connect)

    def event(self, packet: Packet, size: int) -> None:
        """Have an event of ``size`` bytes handled.

        Past the limits of waiting events, the session is paused until all of them are handled. It
        is not paused while anybody waits for an answer of the client: that answer comes behind the
        events. Then the limits are higher, and a client that exceeds these is closed if a handler
        of the socket waits, because the events wait for that handler.
        """
        waiting = self._mailbox.put(self._event, packet, size)
        self._waiting_bytes += size
        if self._exceeds(waiting) and not self._paused:
            self._hold_back(self._exceeds(waiting, CALLING_FACTOR))

    def _exceeds(self, waiting: int, factor: int = 1) -> bool:
        limits = self._server.limits
        return (
            waiting > factor * limits.max_waiting_events
            or self._waiting_bytes > factor * limits.max_message_size
        )

    def _hold_back(self, is_far_too_much: bool) -> None:
        if is_far_too_much and self.socket.acks.is_awaited:
            self._session.close(Reason.TOO_MANY_EVENTS)
        elif is_far_too_much or not self._client.is_asked:
            self._paused = True
            self._session.pause()
            self._mailbox.put(self.unpause)

    @property
    def is_asked(self) -> bool:
        """Whether anybody waits for an answer of the client in this namespace."""
        return self.socket.acks.is_asked

    def ack(self, packet: Packet) -> None:
        """Take an ACK: wake ``socket.call`` at once, or have the callback called in the mailbox."""
        callback = self.socket.acks.resolve(packet.id, packet.data)
        if callback is not None:
            self._mailbox.put(self._answered, callback, packet.data)

    def end(self, reason: str, error: ProtocolError | None = None) -> None:
        """End the socket; its last handlers run after all jobs that wait in the mailbox."""
        if self.socket.disconnect_reason is not None:
            return
        self.socket.end(reason)
        self._client.forget(self)
        self._mailbox.move(self._server.executor, self._server.endings)
        self._mailbox.put(self._end, error)

    def report(self, error: Exception) -> None:
        """Have the handlers of ``on_error`` called with an error that no handler raised."""
        self._mailbox.put(self._report_loss, error)

    def fail(self, error: BaseException) -> None:
        """Have an error logged, and the handlers of ``on_error`` called with it."""
        self._mailbox.put(self._failed, error)

    def obey(self, command: Callable[[Any], object]) -> None:
        """Have a command called with this lifecycle, after the events that wait.

        It is not called if the socket is not accepted, or has ended by then.
        """
        self._mailbox.put(self._obey, command)

    def claimed(self, command: str, args: tuple[Any, ...]) -> None:
        """Do nothing: the client cannot come back to the socket."""

    # In a worker: the jobs of the mailbox, one after the other

    def _connect(self) -> None:
        if self._client.login.over or self.socket.disconnect_reason is not None:
            return  # the login is over, or the client has left or connected again meanwhile
        try:
            self._run(self._server.pipeline.connect)
            self._client.login.is_accepted = True
            if self.is_answer_awaited:
                self._open()
            self._accepted = True
        except self._server.refusals as refusal:
            REFUSALS.add("connect")
            self._refuse(refusal_text(refusal))
        except failures() as error:
            # A socket whose on_connect failed is not admitted.
            self._failed(error)
            self._refuse(INTERNAL_ERROR)

    @property
    def is_answer_awaited(self) -> bool:
        """Whether the client still waits for the answer to the CONNECT of the socket."""
        return self._client.awaits(self)

    def _open(self) -> None:
        login = self._client.login
        user, ask = login.user_id, self._ask_of(login)  # first: the topics may be those of a user
        self.socket.open(login.audiences(self.socket.namespace), ask)
        while login.user_id != user:  # by a handler of another namespace, meanwhile
            user = login.user_id
            self._follow_user()

    def _ask_of(self, login: LoginState) -> Ask | None:
        return None if login.is_verified else self._ask

    def _ask(self, gate: Gate) -> None:
        """Examine the login: the first message for its user, or for a group, has come."""
        if self._accepted and self._client.login.is_verified:  # since the socket is open
            self.socket.subscriptions.admit_audiences()
        else:
            self._mailbox.put(self._verify, gate)

    def _verify(self, gate: Gate) -> None:
        try:
            if self._client.login.verify():
                self.socket.subscriptions.admit_audiences()
        except failures() as error:
            self._failed(error)
        finally:
            gate.is_asked = False

    @property
    def namespace(self) -> str:
        """The namespace of the socket."""
        return self.socket.namespace

    @property
    def audiences(self) -> tuple[Topic, ...]:
        """The topics of the socket's user, Django session and groups."""
        return self.socket.subscriptions.audiences

    def log_in(self, user: Any) -> None:
        """Have this user be logged in for all sockets of the client (``socket.login``)."""
        self._client.log_in(user)

    def verify_login(self) -> bool:
        """Return whether the login of the client is valid; see ``LoginState.verify``."""
        return self._client.login.verify()

    def follow_user(self) -> None:
        """Have the socket in the audiences of the user who has logged in since it connected."""
        if self._accepted:
            self._follow_user()

    def _follow_user(self) -> None:
        login = self._client.login
        ask = self._ask_of(login)  # first, as in _open
        self.socket.subscriptions.follow(login.audiences(self.socket.namespace), ask)

    def follow_groups(self, groups: Iterable[Topic]) -> None:
        """Have the socket on the topics of the groups that its user is in now."""
        subscriptions, login = self.socket.subscriptions, self._client.login
        subscriptions.follow_groups(groups, self._ask_of(login))
        if self._accepted and login.is_verified:
            subscriptions.admit_audiences()  # with messages that came while it was not to be read

    def review(self) -> None:
        """Ask again whether the client may have its channels (``may_subscribe``)."""
        self._mailbox.put(self._review)

    def _review(self) -> None:
        for channel in self.socket.subscriptions.names if self._accepted else ():
            # Where that fails, the next review asks again.
            if not self._admits(self._server.pipeline.stays, channel, unknown=True):
                self._take_off(channel)

    def _refuse(self, message: str) -> None:
        if self.is_answer_awaited:
            refuse_connect(self._session, self._server.encoder, self.socket.namespace, message)
        self.end(Reason.SERVER_LEFT)

    def _event(self, packet: Packet, size: int) -> None:
        self._waiting_bytes -= size
        if not self._accepted or self._client.login.over:
            return
        name, *args = packet.data
        answer = self.answer_to(name, args)
        if packet.id is not None and answer is not UNHANDLED and self.socket.connected:
            self._acknowledge(packet.id, answer)
        if name == "subscribe":
            self.socket.subscriptions.admit_asked()

    def _acknowledge(self, id: int, answer: Any) -> None:
        try:
            acknowledge(self.socket, self._server.encoder, id, pack(answer))
        except (TypeError, ValueError) as error:
            self._failed(error)
            acknowledge(self.socket, self._server.encoder, id, [{"error": INTERNAL_ERROR}])

    def _answered(self, callback: Callable[..., Any], args: list[Any]) -> None:
        if not self._client.login.over:
            self._guarded(self._server.pipeline.answer, callback, *args)

    def relay(self, event: str, args: tuple[Any, ...], channel: str, tells_sender: bool) -> None:
        """Send a client event to the other sockets on a channel.

        Raises:
            ChannelError: the login of the client has ended.
            RelayError: the relay did not take it.
            TypeError, ValueError: an argument cannot be written as JSON.

        """
        login, namespace, id = self._client.login, self.namespace, self.socket.id
        if not login.verify():
            raise ChannelError("the login has ended")
        if tells_sender:
            args = (*args, {"channel": channel, "session_id": id, "user": login.user_id})
        topics = (channel_topic(namespace, channel),)
        self._server.channels.publish(Envelope(topics, namespace, event, args, id))

    def resume(self) -> None:
        """Resume the session, which events of any namespace may have paused."""
        self._client.resume()

    def unpause(self) -> None:
        """Resume the session, if ``_hold_back`` has paused it."""
        if self._paused:
            self._paused = False
            self._session.resume()

    def _end(self, error: ProtocolError | None) -> None:
        """Run the last handlers, each exactly once, and release the socket."""
        try:
            if self._accepted:
                self._run_last_handlers(error)
        finally:
            self._accepted = False
            try:
                self.socket.finish()
            finally:
                self._server.open_sockets.discard(self)
                self._client.finished()

    def _run_last_handlers(self, error: ProtocolError | None) -> None:
        if error is not None:
            self._report(error)
        self._guarded(self._server.pipeline.disconnect)
        for channel in self.socket.subscriptions.names:
            self._guarded(self._server.pipeline.unsubscribe, channel)
        self._guarded(self._server.pipeline.finish)

    def _obey(self, command: Callable[[Any], object]) -> None:
        if not self._accepted or self._client.login.over or not self.socket.connected:
            return
        try:
            command(self)
        except ChannelError as error:
            logger.warning("%r: %s", self.socket, error)
        except failures() as error:
            self._failed(error)

    def _report_loss(self, error: Exception) -> None:
        if self._accepted:
            self._report(error)
