"""Django Channels, for uvicorn and daphne; BENCH_REDIS: its channel layer's Redis.

At its best: the plain consumer with orjson, a broadcast encoded once; Channels' own session and
auth middleware, with the same sessions as in our project. Plain JSON arrays on WebSocket.
"""

import os

import django
import orjson
from django.conf import settings

redis = os.environ.get("BENCH_REDIS")
layer = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
if redis:
    layer = {
        "BACKEND": os.environ.get("BENCH_LAYER", "channels_redis.core.RedisChannelLayer"),
        "CONFIG": {"hosts": [redis]},
    }
settings.configure(
    SECRET_KEY="only for benchmarks",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "channels",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CHANNEL_LAYERS={"default": layer},
)
django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Consumer(AsyncWebsocketConsumer):
    """Echo, or send to all in the group."""

    channel = None

    async def receive(self, text_data=None, bytes_data=None):
        """Do what the client asks."""
        event, argument = orjson.loads(text_data)
        if event == "subscribe":
            await self.subscribe(argument)
            return
        text = orjson.dumps([event, argument]).decode()
        if self.channel.startswith("room-"):
            await self.channel_layer.group_send(self.channel, {"type": "say", "text": text})
        else:
            await self.send(text_data=text)

    async def subscribe(self, channel):
        """Put the socket into the group."""
        self.channel = channel
        await self.channel_layer.group_add(channel, self.channel_name)
        await self.send(text_data='["subscribed"]')

    async def say(self, event):
        """Send what another socket, or process, has said."""
        await self.send(text_data=event["text"])

    async def disconnect(self, code):
        """Leave the group."""
        if self.channel is not None:
            await self.channel_layer.group_discard(self.channel, self.channel_name)


application = ProtocolTypeRouter(
    {"websocket": AuthMiddlewareStack(URLRouter([path("ws/", Consumer.as_asgi())]))}
)
