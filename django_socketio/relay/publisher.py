"""Publishing through Redis: one step that numbers a message, hands it on and keeps it a while."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, cast

import redis
from redis.exceptions import RedisError

from django_socketio.exceptions import RelayError

# KEYS: for each topic its position (a hash) and its log (a stream).
# ARGV: the message, an epoch should a new one begin, how many messages and how many milliseconds
# the log is kept, until when (in Redis's own time) the publisher waits, and each topic's channel.
#
# One step for all topics: everybody sees the message at the same place among the others.
# Writing comes first: where Redis refuses to (out of memory, read-only), nothing is handed on.
# What nobody received is not kept, so what a publisher was told was not received never arrives.
# What comes too late is not handed on: its publisher has been told that it failed.
PUBLISH = """
local message, new_epoch, log_size, log_milliseconds, deadline = unpack(ARGV, 1, 5)

local now = redis.call('TIME')
if now[1] + now[2] / 1000000 > tonumber(deadline) then
  return redis.error_reply('TOOLATE the publisher waits no longer')
end

local function publish(channel, position_key, log_key)
  if log_size == '0' then
    return redis.call('PUBLISH', channel, '- 0 ' .. message)
  end
  local position = redis.call('HMGET', position_key, 'epoch', 'number')
  local epoch, last = position[1] or new_epoch, position[2] or 0
  local number = last + 1
  redis.call('HSET', position_key, 'epoch', epoch, 'number', number)
  if number == 1 then
    redis.call('DEL', log_key)
  end
  redis.call('XADD', log_key, 'MAXLEN', '~', log_size, number .. '-0', 'm', message)

  local receivers = redis.call('PUBLISH', channel, epoch .. ' ' .. number .. ' ' .. message)
  if receivers > 0 then
    redis.call('PEXPIRE', position_key, log_milliseconds)
    redis.call('PEXPIRE', log_key, log_milliseconds)
  elseif number == 1 then
    redis.call('DEL', position_key, log_key)
  else
    redis.call('HSET', position_key, 'number', last)
    redis.call('XDEL', log_key, number .. '-0')
    redis.call('XSETID', log_key, last .. '-0')
  end
  return receivers
end

local receivers = 0
for i = 1, #KEYS, 2 do
  receivers = receivers + publish(ARGV[5 + (i + 1) / 2], KEYS[i], KEYS[i + 1])
end
return receivers
"""


class Publisher:
    """A small pool of connections for publishing, safe in threads, greenlets and after a fork.

    Args:
        client: redis-py's client; it connects on first use.
        names: makes a topic's channel, position key and log key.
        log_size: messages that a topic's log keeps; 0 keeps none.
        log_seconds: seconds that it keeps them once the topic is idle.
        timeout: seconds that the client waits for an answer of Redis.

    """

    def __init__(
        self,
        client: "redis.Redis",
        names: "Names",
        log_size: int,
        log_seconds: float,
        timeout: float,
    ) -> None:
        self._client = client
        self._names = names
        self._log_size = log_size
        self._log_milliseconds = round(log_seconds * 1000)
        self._timeout = timeout
        self._script = client.register_script(PUBLISH)
        self._offset: float | None = None

    def publish(self, topics: Sequence[str], message: bytes) -> int:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """
        try:
            return self._publish(topics, message)
        except RedisError as error:
            self._offset = None
            raise RelayError(f"the relay did not take the message: {error}") from error

    def _publish(self, topics: Sequence[str], message: bytes) -> int:
        if self._offset is None:
            self._offset = self._measure_offset()
        # Before this side gives up, so that what it was told has failed never arrives.
        deadline = f"{time.monotonic() + 0.9 * self._timeout + self._offset:.6f}"
        keys = [key for topic in topics for key in self._names.keys(topic)]
        channels = [self._names.channel(topic) for topic in topics]
        epoch, log = secrets.token_hex(6), (self._log_size, self._log_milliseconds)
        return int(self._script(keys=keys, args=[message, epoch, *log, deadline, *channels]))

    def _measure_offset(self) -> float:
        """Return how far Redis's clock is ahead of this process's monotonic one."""
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1_000_000 - time.monotonic())

    def position(self, topic: str) -> tuple[str, int] | None:
        """Return the epoch and the number of a topic's last message; None for an idle topic.

        Raises:
            RedisError: Redis cannot be asked.

        """
        key, _ = self._names.keys(topic)
        epoch, number = cast(list[Any], self._client.hmget(key, ["epoch", "number"]))
        return None if epoch is None or number is None else (epoch.decode(), int(number))

    def log(self, topic: str, after: int) -> list[tuple[int, bytes]]:
        """Return the messages of a topic's log after a number, with their numbers.

        Raises:
            RedisError: Redis cannot be asked.

        """
        _, key = self._names.keys(topic)
        entries: Any = self._client.xrange(key, min=f"{after + 1}-0")
        return [(int(id.partition(b"-")[0]), fields[b"m"]) for id, fields in entries]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Names:
    """What a site's topics are called in Redis.

    The braces put a topic's keys and its channel into one slot of a cluster.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def channel(self, topic: str) -> str:
        """Return the Redis channel of a topic."""
        return f"{self._prefix}:{{{topic}}}"

    def topic(self, channel: str) -> str:
        """Return the topic of a Redis channel."""
        return channel[len(self._prefix) + 2 : -1]

    def keys(self, topic: str) -> tuple[str, str]:
        """Return the keys of a topic's position and of its log."""
        channel = self.channel(topic)
        return f"{channel}:position", f"{channel}:log"
