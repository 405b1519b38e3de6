"""A WebSocket that asks to replace a session's long-polling ("Upgrade")."""

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import Timers
from django_socketio.exceptions import ProtocolError
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import PROBE
from django_socketio.protocol.engineio.packets import Packet, PacketType
from django_socketio.protocol.websocket.connection import CloseCode
from django_socketio.transports.encoded import PROBE_ANSWER
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.session import Session
from django_socketio.transports.websocket import WebSocketTransport

logger = ClientLog(get_logger("django_socketio.transports"))

PROBE_PACKET = engineio.encode(Packet(PacketType.PING, PROBE))
UPGRADE_PACKET = engineio.encode(Packet(PacketType.UPGRADE))

TAKEN = "another WebSocket carries the session, or is about to"
"""Why a WebSocket cannot carry a session."""


def turn_away(websocket: WebSocketTransport, reason: str) -> None:
    """Close a new WebSocket: the specification has a second one of a session closed, not refused.

    The session hears nothing of it, or a WebSocket that breaks at once would end the session.
    """
    websocket.start(None)
    websocket.close(reason=reason)


class Upgrade:
    """Listens to the new WebSocket until it carries the session, or the upgrade fails.

    Until then, the session stays on long-polling. A session has one upgrade: the newest, or the one
    that has sent a probe.

    Args:
        timeout: seconds that the upgrade may take.

    """

    def __init__(
        self,
        session: Session,
        polling: PollingTransport,
        websocket: WebSocketTransport,
        timers: Timers,
        timeout: float,
    ) -> None:
        self._session = session
        self._polling = polling
        self._websocket = websocket
        self._over = self._probed = False
        self._timers = timers
        self._timeout = timeout
        self._timer = timers.after(timeout, self._timed_out)
        polling.end_upgrade(CloseCode.NORMAL_CLOSURE, TAKEN)
        polling.upgrade = self

    def data_received(self, data: str | bytes) -> None:
        """Take probes, then an upgrade packet; any other packet ends the upgrade.

        Clients in PHP and C# send the upgrade packet without a probe, which Socket.IO's own server
        takes as well.
        """
        if data not in (PROBE_PACKET, UPGRADE_PACKET):
            expected = f"{PROBE_PACKET!r} or {UPGRADE_PACKET!r}"
            problem = f"an upgrade begins with {expected}, not {data[:20]!r}"
            self._give_up(problem, CloseCode.POLICY_VIOLATION)
        elif data == PROBE_PACKET:
            self._probe()
        else:
            self._end()
            self._session.move_to(self._websocket)

    def _probe(self) -> None:
        if self._probed:  # another one, which nobody needs
            self.extra_received(1, len(PROBE_PACKET))
            if self._over:
                return
        self._polling.probed = self._probed = True
        self._websocket.send(PROBE_ANSWER)
        self._polling.release()

    def extra_received(self, frames: int, size: int) -> None:
        """Count frames without a message as frames of the session."""
        self._session.extra_received(frames, size)

    def transport_closed(self, reason: str, error: ProtocolError | None) -> None:
        """End the upgrade: the WebSocket is closed."""
        self._stop_probing()

    def _timed_out(self, now: float) -> None:
        if not self._over:
            self._give_up(f"the upgrade took more than {self._timeout:g} s (SOCKETIO_PING_TIMEOUT)")

    def _give_up(self, problem: str, code: int = CloseCode.NORMAL_CLOSURE) -> None:
        """Close the WebSocket; the client and the log are told the reason."""
        logger.warning("%r stays on its transport: %s", self._session, problem)
        self.close(code, problem)

    def close(self, code: int, reason: str) -> None:
        """End the upgrade, and close the WebSocket."""
        self._websocket.close(code, reason)
        self._stop_probing()

    def _end(self) -> None:
        self._over = True
        self._polling.upgrade = None
        self._timers.cancel(self._timer)

    def _stop_probing(self) -> None:
        self._end()
        self._polling.probed = False
