"""The python-socketio client, which takes one packet after the other."""

import engineio
import requests
import socketio

from tests.kit.http import TIMEOUT
from tests.kit.recorder import Recorder
from tests.kit.waiting import wait_until

TRANSPORTS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgraded": ["polling", "websocket"],
}


class InOrder(engineio.Client):
    """Takes one packet after the other.

    By itself this client starts a thread for each, and under load takes an attachment before the
    packet that it belongs to.
    """

    def _trigger_event(self, event, *args, **options):
        return super()._trigger_event(event, *args, **{**options, "run_async": False})

    def _reset(self):
        """Close what this client leaves open before it comes back."""
        if self.ws is not None:
            self.ws.shutdown()
        super()._reset()


class ClientInOrder(socketio.Client):
    def _engineio_client_class(self):
        return InOrder


class PythonClient:
    """The client, and a note of what it is told."""

    def __init__(self, transport, namespaces=("/",), **options):
        self._options = {"transports": TRANSPORTS[transport], "namespaces": list(namespaces)}
        self.http = requests.Session()
        # Its threads would look through the environment for proxies while pytest changes it.
        self.http.trust_env = False
        options = {"reconnection": False, **options}
        self.client = ClientInOrder(http_session=self.http, **options)
        self.connected = Recorder()
        self.events = Recorder()
        self.errors = Recorder()
        self.ended = Recorder()
        for namespace in namespaces:
            self.client.on("*", self._event, namespace=namespace)
            self.client.on("connect", lambda: self.connected("connect"), namespace=namespace)
            self.client.on("disconnect", self.ended, namespace=namespace)
            self.client.on("connect_error", self.errors, namespace=namespace)

    def _event(self, name, *args):
        self.events([name, *args])

    def connect(self, server, **options):
        """Connect to all namespaces, and upgrade if the transport says so."""
        url = f"http://127.0.0.1:{server.port}"
        self.client.connect(url, wait_timeout=TIMEOUT, **self._options, **options)

    def wait_until_connected(self):
        """Wait for the next connection; before its own flag is set, this client tells no end."""
        assert self.connected.next()
        wait_until(lambda: self.client.connected)

    def close(self):
        """Disconnect without waiting for its threads, and close what this client leaves open."""
        self.client.reconnection = False
        self._end_reconnecting()
        self.client.eio.disconnect(abort=True)
        self.client.eio.queue.put(None)  # else the thread that writes would stay
        self.http.close()
        if self.client.eio.ws is not None:
            self.client.eio.ws.shutdown()

    def _end_reconnecting(self):
        """End the thread that would try again for good, and use ``random`` beside other tests."""
        thread = self.client._reconnect_task
        while thread is not None and thread.is_alive():
            # The thread makes or clears its event when it begins.
            if self.client._reconnect_abort is not None:
                self.client._reconnect_abort.set()
            thread.join(0.01)

    def ask(self, event, data=None, namespace=None):
        return self.client.call(event, data, namespace=namespace, timeout=TIMEOUT)


COMES_BACK = {"reconnection": True, "reconnection_delay": 0.01, "reconnection_delay_max": 0.02}
