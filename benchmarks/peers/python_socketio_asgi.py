"""python-socketio as an ASGI application, for uvicorn; BENCH_REDIS: its client manager's URL.

At its best: orjson, handlers inline rather than a task for each event, no compression.
"""

import os

import fast_json
import socketio

redis = os.environ.get("BENCH_REDIS")
manager = {"client_manager": socketio.AsyncRedisManager(redis, json=fast_json)} if redis else {}
sio = socketio.AsyncServer(
    async_mode="asgi",
    async_handlers=False,
    json=fast_json,
    http_compression=False,
    cors_allowed_origins=[],
    **manager,
)
channels = {}


@sio.on("subscribe")
async def subscribe(sid, channel):
    """Put the socket into the room."""
    await sio.enter_room(sid, channel)
    channels[sid] = channel
    return True


@sio.on("message")
async def message(sid, message):
    """Echo, or send to all in the room."""
    channel = channels[sid]
    await sio.emit("message", message, to=channel if channel.startswith("room-") else sid)


@sio.on("disconnect")
async def disconnect(sid, reason):
    """Forget the socket."""
    channels.pop(sid, None)


application = socketio.ASGIApp(sio)
