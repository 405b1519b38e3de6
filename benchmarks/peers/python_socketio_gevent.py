"""python-socketio on gevent: python python_socketio_gevent.py PORT [REDIS_URL]

At its best: gevent-websocket, orjson, handlers inline rather than a greenlet for each event, no
compression.
"""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

import fast_json  # noqa: E402
import socketio  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from geventwebsocket.handler import WebSocketHandler  # noqa: E402

port, *redis = sys.argv[1:]
manager = {"client_manager": socketio.RedisManager(*redis, json=fast_json)} if redis else {}
sio = socketio.Server(
    async_mode="gevent",
    async_handlers=False,
    json=fast_json,
    http_compression=False,
    cors_allowed_origins=[],
    **manager,
)
channels = {}


@sio.on("subscribe")
def subscribe(sid, channel):
    """Put the socket into the room."""
    sio.enter_room(sid, channel)
    channels[sid] = channel
    return True


@sio.on("message")
def message(sid, message):
    """Echo, or send to all in the room."""
    channel = channels[sid]
    sio.emit("message", message, to=channel if channel.startswith("room-") else sid)


@sio.on("disconnect")
def disconnect(sid, reason):
    """Forget the socket."""
    channels.pop(sid, None)


WSGIServer(
    ("127.0.0.1", int(port)),
    socketio.WSGIApp(sio),
    backlog=1024,
    log=None,
    handler_class=WebSocketHandler,
).serve_forever()
