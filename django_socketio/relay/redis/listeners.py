"""The processes that listen, as Redis knows them: whether "nobody" is the truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import urandom
from time import monotonic
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError, RedisError

from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.publisher import RedisPublisher
from django_socketio.relay.topics import Topic

LEASE = 10.0
"""Seconds for which a connection that has joined is expected to listen. Its process renews that
with each health check, and so twice in this time."""

REMEMBERED = 3600.0
"""Seconds after the last lease for which Redis keeps what shows that it was not emptied."""

YOUNG = LEASE
"""Seconds after its start for which an empty Redis may have forgotten processes that come back."""

# JOIN notes a connection that listens, or renews that; it returns the end of the lease, the name of
# the data, and whether Redis has forgotten what it had at the last lease (1 or 0).
#
# KEYS: a hash with the end of each connection's lease, by the channel of its health check, and the
# name that the first one gave to the data.
# ARGV: that channel, the seconds of a lease, a token for a new connection ('' to renew), the end of
# the last lease ('' without one) and the name that the data had then, a new name for the data, and
# the seconds for which the name is kept.
#
# If the name or that lease should be here and is not, Redis has forgotten it, and maybe those of
# others, which are on their way back: all is unsettled until they must have come. The name tells so
# again to a connection that did not get the first answer.
JOIN = """
local call = redis.call
local member, seconds, token, last, data, new, kept = unpack(ARGV)
local now = call('TIME')
now = now[1] + now[2] / 1000000
local lease = string.format('%.3f', now + seconds)
local name = call('HGET', KEYS[1], 'data')
if not name then
  name = new
  call('HSET', KEYS[1], 'data', name)
end
local forgotten = 0
if last ~= '' and tonumber(last) + kept > now then
  local known = call('HGET', KEYS[1], member)
  local behind = not known or tonumber(known) < tonumber(last)
  if name ~= data or (tonumber(last) > now and behind) then
    forgotten = 1
    call('HSET', KEYS[1], 'unsettled', lease)
  end
end
call('HSET', KEYS[1], member, lease)
if token ~= '' then
  call('HSET', KEYS[1], 'token', token)
end
local found = call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  if found[i] ~= 'token' and found[i] ~= 'data' and tonumber(found[i + 1]) < now then
    call('HDEL', KEYS[1], found[i])
  end
end
call('PEXPIRE', KEYS[1], (seconds + kept) * 1000)
return {lease, name, forgotten}
"""

# LOOK returns the token of the last connection that joined, whether all is settled, and the
# channels of connections with a lease.
#
# KEYS: the hash. ARGV: how many seconds after its start a Redis without a hash may have forgotten
# that, and '1' to leave out connections that listen here.
LOOK = """
local call = redis.call
local now = call('TIME')
now = now[1] + now[2] / 1000000
local token, settled, members = '', 1, {}
local found = call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  local name, value = found[i], found[i + 1]
  if name == 'token' then
    token = value
  elseif name ~= 'data' and tonumber(value) >= now then
    if name == 'unsettled' then
      settled = 0
    elseif ARGV[2] ~= '1' or call('PUBSUB', 'NUMSUB', name)[2] == 0 then
      members[#members + 1] = name
    end
  end
end
if token == '' then
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  if uptime and tonumber(uptime) < tonumber(ARGV[1]) then
    settled = 0
  end
end
return {token, settled, members}
"""


TRIES = 3
"""How often a script is run on connections that break."""


Tokens = Mapping[Any, str]
"""Tokens by the places at which they were seen."""


class Lease(NamedTuple):
    """The time for which a connection is expected to listen.

    Attributes:
        end: by Redis's clock; ``""`` without a lease.
        data: the name of the data that Redis had when it gave the lease.

    """

    end: str
    data: str


NO_LEASE = Lease("", "")


class Unsettled(Exception):
    """Some process may listen that did not hear the message."""


class Listeners(ABC):
    """Answers whether every process that should listen does, for publishers that reach nobody.

    A connection of a process is here from before it subscribes, so a new token shows that one may
    have been away a moment ago.
    """

    reads_here = "1"
    """Whether the Redis with the leases has all channels: LOOK's argument."""

    def __init__(self) -> None:
        self.tokens: Tokens = {}
        """The token of the last time at which all connections of a place listened."""
        self.was_heard = False
        """Whether a message of this process was received, so that processes should listen."""
        self._vanished_at: float | None = None

    @abstractmethod
    def _evaluate(self, script: str, *args: str) -> Any:
        """Return what a script answers."""

    @abstractmethod
    def leave(self, *channels: str) -> None:
        """Expect connections no more; raises RedisError if Redis cannot be told."""

    def _places(self, topics: Sequence[Topic]) -> set[Any]:
        """Return where messages of topics are published: the nodes of a cluster."""
        return {""}

    def _away(self, channels: list[str], places: set[Any]) -> list[str]:
        """Return those of the connections to places which LOOK found that do not listen."""
        return channels

    def join(self, channel: str, last: Lease, is_new: bool = True) -> tuple[Lease, bool]:
        """Have a connection expected to listen.

        Returns its lease, and whether Redis has forgotten the data that it had at the last one.

        Args:
            channel: of its health check.
            last: its last lease; ``NO_LEASE`` if there was none.
            is_new: whether it has not listened until now.

        Raises:
            RedisError: Redis cannot be told.

        """
        token = urandom(8).hex() if is_new else ""
        name, kept = urandom(8).hex(), str(REMEMBERED)
        args = (channel, str(LEASE), token, *last, name, kept)
        end, data, is_forgotten = self._evaluate(JOIN, *args)
        return Lease(end.decode(), data.decode()), bool(is_forgotten)

    def is_settled(self, topics: Sequence[Topic], tokens: Tokens) -> bool:
        """Return whether all connections have been listening since all listened with these tokens.

        Raises:
            Unsettled: some do not listen, or it is not known which should.

        """
        places = self._places(topics)
        try:
            found, settled, channels = self._evaluate(LOOK, str(YOUNG), self.reads_here)
            away = self._away([channel.decode() for channel in channels], places)
        except RedisError as error:
            raise Unsettled(f"it did not say which processes listen: {error}") from error
        if away:
            raise Unsettled("processes that may have sockets for it do not hear the relay now")
        now = found.decode()
        if not settled or self._has_vanished(now):
            raise Unsettled("Redis is new or was emptied, and processes may be on their way back")
        self.tokens = {**self.tokens, **dict.fromkeys(places, now)}
        return all(tokens.get(place) == now for place in places)

    def _has_vanished(self, token: str) -> bool:
        """Return whether Redis has forgotten all connections so lately that they may come back."""
        if token or not (any(self.tokens.values()) or self.was_heard):
            self._vanished_at = None
            return False
        if self._vanished_at is None:
            self._vanished_at = monotonic()
        return monotonic() - self._vanished_at < LEASE


class Unlisted:
    """Notes nobody: for a connection that no socket depends on, which publishers need not know."""

    def join(self, channel: str, last: Lease, is_new: bool = True) -> tuple[Lease, bool]:
        """Return no lease."""
        return NO_LEASE, False

    def leave(self, *channels: str) -> None:
        """Do nothing."""


class RedisListeners(Listeners):
    """The connections to one Redis."""

    def __init__(self, publisher: RedisPublisher, keyspace: Keyspace) -> None:
        super().__init__()
        self._publisher = publisher
        self._key = keyspace.listeners

    def _evaluate(self, script: str, *args: str) -> Any:
        # Both scripts can be run again, and a connection that breaks says nothing of the leases.
        for _ in range(TRIES - 1):
            with suppress(ConnectionError):
                return self._publisher.evaluate(script, self._key, *args)
        return self._publisher.evaluate(script, self._key, *args)

    def leave(self, *channels: str) -> None:
        """Expect connections no more; raises RedisError if Redis cannot be told."""
        self._publisher.ask("HDEL", self._key, *channels)
