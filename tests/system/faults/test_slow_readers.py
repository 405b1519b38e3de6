"""Clients that do not read are cut off; the others never notice."""

import selectors
import socket
import threading
import time

from tests.kit.frames import client_frame
from tests.kit.http import HELLO

SOCKETS = 1_000
SLOW = 100
SIZE = 1_000
MESSAGES = 500


def open_sockets(port, number, small=False):
    """Connect WebSockets; return them once they are joined.

    For ``small`` ones the kernel keeps as little as through a real network, not megabytes.
    """
    sockets = []
    for _ in range(number):
        one = socket.socket()
        if small:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
        one.connect(("127.0.0.1", port))
        one.sendall(HELLO + client_frame(0x81, b"40"))
        sockets.append(one)
    for one in sockets:
        seen = b""
        while b'40{"sid"' not in seen:
            seen += one.recv(4096)
    return sockets


class Readers(threading.Thread):
    """Reads from all of its sockets until each has got so many bytes."""

    def __init__(self, sockets, expected):
        super().__init__(daemon=True)
        self.received = dict.fromkeys(sockets, 0)
        self._expected = expected

    def run(self):
        room = bytearray(1 << 18)
        with selectors.DefaultSelector() as readable:
            for one in self.received:
                readable.register(one, selectors.EVENT_READ)
            while readable.get_map():
                ready = readable.select(10)
                if not ready:
                    return
                for key, _ in ready:
                    received = key.fileobj.recv_into(room)
                    self.received[key.fileobj] += received
                    if not received or self.received[key.fileobj] >= self._expected:
                        readable.unregister(key.fileobj)


def test_slow_readers_are_cut_off_and_the_others_get_everything(start):
    site = start()
    slow = open_sockets(site.port, SLOW, small=True)
    quick = open_sockets(site.port, SOCKETS - SLOW)
    before = site.get("/ends/")["memory"]
    message = 4 + len('42["message",""]') + SIZE  # 4 bytes: the frame's head
    readers = Readers(quick, MESSAGES * message)
    readers.start()
    begun, most = time.monotonic(), 0
    # As much as the quick ones take: what waits for any of them stays below the limit.
    for number in range(MESSAGES // 20):
        site.get(f"/broadcast/?size={SIZE}&count=20")
        most = max(most, site.get("/ends/")["memory"])
        assert time.monotonic() - begun < 90, number
    readers.join(20)
    assert set(readers.received.values()) == {MESSAGES * message}
    assert site.get("/ends/")["reasons"] == {"slow client": SLOW}
    # Each of the slow ones may have its limit of bytes waiting, and nothing more.
    assert most - before < SLOW * 100_000 + 20_000_000
    for one in slow:
        assert one.recv(100)  # what was sent before
    for one in (*slow, *quick):
        one.close()
