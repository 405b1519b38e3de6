"""python-socketio's ``RedisManager`` that only writes."""

import socketio

from benchmarks.peers import fast_json
from benchmarks.publishers import pace

url, seconds, rate = pace.arguments()
manager = socketio.RedisManager(url, write_only=True, json=fast_json)
pace.run(lambda message: manager.emit("message", message, to=pace.CHANNEL), seconds, rate)
