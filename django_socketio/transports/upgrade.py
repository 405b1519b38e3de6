"""A WebSocket that asks to replace a session's long-polling ("Upgrade")."""

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol import engineio
from django_socketio.protocol.engineio import Packet, PacketType
from django_socketio.protocol.session import PROBE
from django_socketio.transports.alarms import Alarms, clock
from django_socketio.transports.outgoing import PROBE_ANSWER
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.session import Session
from django_socketio.transports.websocket import WebSocketTransport

PROBE_PACKET = engineio.encode(Packet(PacketType.PING, PROBE))
UPGRADE_PACKET = engineio.encode(Packet(PacketType.UPGRADE))


class Upgrade:
    """Listens to the new WebSocket until it has taken the session over, or failed to.

    Until then, the session lives on long-polling as if nothing happened.

    Args:
        timeout: seconds that it has for that.

    """

    def __init__(
        self,
        session: Session,
        polling: PollingTransport,
        websocket: WebSocketTransport,
        alarms: Alarms,
        timeout: float,
    ) -> None:
        self._session = session
        self._polling = polling
        self._websocket = websocket
        self._over = self._probed = False
        self._alarms = alarms
        self._alarm = alarms.set(clock() + timeout, self._timed_out)

    def data_received(self, data: str | bytes) -> None:
        """Take a probe, then an upgrade packet; anything else gives the upgrade up."""
        if data == PROBE_PACKET and not self._polling.probed and not self._polling.closed:
            self._probe()
        elif data == UPGRADE_PACKET and self._may_take_over():
            self._end()
            self._session.move_to(self._websocket)
        else:
            self.give_up()

    def _probe(self) -> None:
        self._polling.probed = self._probed = True
        self._websocket.send(PROBE_ANSWER)
        self._polling.release()

    def _may_take_over(self) -> bool:
        return self._probed and not self._polling.closed

    def transport_closed(self, reason: str, error: ProtocolError | None) -> None:
        """Hear that the WebSocket was lost on the way."""
        self._stop_probing()

    def _timed_out(self, now: float) -> None:
        self.give_up()

    def give_up(self) -> None:
        """Close the WebSocket, unless it carries the session by now."""
        if not self._over:
            self._websocket.close()
            self._stop_probing()

    def _end(self) -> None:
        self._over = True
        self._alarms.cancel(self._alarm)

    def _stop_probing(self) -> None:
        self._end()
        if self._probed:
            self._polling.probed = False
