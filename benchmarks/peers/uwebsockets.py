"""uWebSockets (C++) through socketify: python uwebsockets.py PORT

Only as much of Socket.IO as the benchmarks speak: no sessions, no limits, no heartbeat. It shows
what WebSocket frames cost at the least, with Python in between.
"""

import sys

import orjson
from socketify import App, OpCode

app = App()
current = {"channel": ""}
"""The channel that was last subscribed to: the benchmarks never use two at a time."""


def text_of(argument):
    """Return the packet of a message."""
    return '42["message",' + orjson.dumps(argument).decode() + "]"


def on_open(ws):
    """Begin the session."""
    ws.send('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}', OpCode.TEXT)


def on_message(ws, packet, opcode):
    """Connect, subscribe, echo, or send to all on the topic."""
    if packet.startswith("40"):
        ws.send('40{"sid":"x"}', OpCode.TEXT)
    elif packet.startswith("420"):
        current["channel"] = orjson.loads(packet[3:])[1]
        ws.subscribe(current["channel"])
        ws.send("430[true]", OpCode.TEXT)
    elif packet.startswith("42"):
        argument = orjson.loads(packet[2:])[1]
        if current["channel"].startswith("room-"):
            app.publish(current["channel"], text_of(argument), OpCode.TEXT)
        else:
            ws.send(text_of(argument), OpCode.TEXT)


app.ws(
    "/*",
    {
        "open": on_open,
        "message": on_message,
        "idle_timeout": 120,
        "max_payload_length": 2_000_000,
        "max_backpressure": 64 << 20,
    },
)
app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])}, lambda config: None)
app.run()
