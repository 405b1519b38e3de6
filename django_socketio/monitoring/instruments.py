"""What stands in a server that measures in the place of its plain parts: the seam of all numbers.

``server/bootstrap.py`` builds a server of parts. Each part that sees a number has a variant here
that counts it. A server without ``SOCKETIO_METRICS`` has none of them, and runs the same code as if
this room did not exist.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django_socketio.channels.measured import MeasuredChannels
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.timed_workers import TimedWorkers
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.workers import Around, Workers
from django_socketio.events import is_of_site
from django_socketio.events.handlers import Call, Registration
from django_socketio.events.pipeline import HandlerLayer
from django_socketio.exceptions import ProtocolError
from django_socketio.logs import name_of
from django_socketio.monitoring.measures import Measures
from django_socketio.sockets.server import Connect, MakeChannels, SocketServer
from django_socketio.transports.dialects import Dialects
from django_socketio.transports.engineio3 import EngineIO3
from django_socketio.transports.measured import MeasuredDialect, MeasuredEngineIO3
from django_socketio.transports.session import Delegate, Session

GiveBack = Callable[[], bool]


class Instruments:
    """The parts of a server that measures nothing.

    Attributes:
        measures: what is counted; None for nothing.
        channels: makes the channels of the server.
        layers: the layers around handlers.

    """

    measures: Measures | None = None
    channels: MakeChannels = Channels
    layers: tuple[HandlerLayer, ...] = ()

    def connecting(self, connect: Connect) -> Connect:
        """Return what returns the client of a new session."""
        return connect

    def dialects(self, with_old_clients: bool) -> Dialects:
        """Return the dialects of the engine."""
        return Dialects(EngineIO3()) if with_old_clients else Dialects()

    def workers(self, size: int, around: Around, give_back: GiveBack) -> Workers:
        """Return the greenlets in which handlers run."""
        return Workers(size, around, give_back=give_back)


class MeasuringInstruments(Instruments):
    """The parts of a server that measures.

    Args:
        refusals: the exceptions by which handlers refuse clients: they are no errors.

    """

    measures: Measures
    channels: MakeChannels = MeasuredChannels

    def __init__(self, *refusals: type[Exception]) -> None:
        self.measures = Measures()
        self._refusals = refusals
        self.layers = (self._measured,)

    def connecting(self, connect: Connect) -> Connect:
        """Return what returns clients whose messages are counted."""
        measures = self.measures

        def connect_measured(server: SocketServer, session: Session, request: Any) -> Delegate:
            return MeasuredClient(connect(server, session, request), measures)

        return connect_measured

    def dialects(self, with_old_clients: bool) -> Dialects:
        """Return dialects whose transports count what they send."""
        more = [MeasuredEngineIO3()] if with_old_clients else []
        return Dialects(MeasuredDialect(), *more)

    def workers(self, size: int, around: Around, give_back: GiveBack) -> Workers:
        """Return greenlets that measure how long sockets wait for them."""
        return TimedWorkers(size, around, give_back, self.measures.waits.add)

    def _measured(self, call: Call, registration: Registration) -> Call:
        """Return the call of a handler, measured if it is the site's own."""
        if not is_of_site(registration.function):
            return call
        errors, refusals = self.measures.errors, self._refusals
        name = label_of(registration.function)
        add = self.measures.histogram(name).add

        def call_measured(request: Any, socket: Any, context: Any, args: Any) -> Any:
            begin = clock()
            try:
                return call(request, socket, context, args)
            except failures() as error:
                if not isinstance(error, refusals):
                    errors[name] += 1
                raise
            finally:
                add(clock() - begin)

        return call_measured


def label_of(function: Any) -> str:
    """Return a name of a handler that does not change with each object: there are few of them."""
    function = inspect.unwrap(function)
    while isinstance(function, partial):
        function = inspect.unwrap(function.func)
    return name_of(function if hasattr(function, "__qualname__") else type(function))


class MeasuredClient:
    """Counts what comes from a client, and passes it on.

    Attributes:
        login: the login of the client.

    """

    __slots__ = ("_client", "_measures", "login")

    def __init__(self, client: Any, measures: Measures) -> None:
        self._client = client
        self._measures = measures
        self.login = client.login
        measures.connections += 1

    def received(self, data: str | bytes) -> None:
        """Count a message.

        Raises:
            ProtocolError: the protocol does not allow the message.

        """
        self._measures.received += 1
        self._measures.received_bytes += len(data)
        self._client.received(data)

    def extra_received(self, count: int, size: int) -> None:
        """Count bytes without a message.

        Raises:
            ProtocolError: the client has sent too many packets.

        """
        self._measures.received_bytes += size
        self._client.extra_received(count, size)

    def upgraded(self, unfetched: Sequence[str | bytes]) -> None:
        """Note that the client has all packets but these."""
        self._client.upgraded(unfetched)

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """Count the end of the session."""
        self._measures.closes[reason] += 1
        self._client.closed(reason, error)
