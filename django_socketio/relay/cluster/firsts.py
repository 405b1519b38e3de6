"""The messages of first calls with an idempotency key: later calls publish these in other slots."""

from contextlib import suppress

from redis.exceptions import RedisError

from django_socketio.relay.cluster.asker import ClusterAsker
from django_socketio.relay.cluster.router import Router
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.packing import RECORDS_STAY, Outgoing

# FIRST keeps a message unless there is one with the same idempotency key; it returns the id and the
# text of the one that is kept.
#
# KEYS: a hash. ARGV: the message's id, the message, and the milliseconds for which it is kept.
FIRST = """
local first = redis.call('HMGET', KEYS[1], 'id', 'message')
if first[1] then
  return first
end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'message', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {ARGV[1], ARGV[2]}
"""


class FirstMessages:
    """The messages with a key that may not be in all of their slots.

    Processes know a message that comes from several slots by its id: a retry publishes the message
    of the first call, or sockets that have it from one slot would get another one.

    Args:
        router: finds the node of a slot.
        keyspace: makes the names of the keys.

    """

    def __init__(self, router: Router, keyspace: Keyspace) -> None:
        self._asker = ClusterAsker(router)
        self._keyspace = keyspace

    def first(self, message: Outgoing) -> Outgoing:
        """Return a message as the first call with its key had it.

        Raises:
            RedisError: the cluster cannot be asked.

        """
        args = (message.id.encode(), message.message, RECORDS_STAY)
        id, text = self._asker.evaluate(FIRST, (self._key(message),), args)
        return message._replace(id=id.decode(), message=text)

    def forget(self, message: Outgoing) -> None:
        """Forget a message that no slot will need."""
        key = self._key(message)
        with suppress(RedisError):  # it goes by itself
            self._asker.ask(key, "DEL", key)

    def _key(self, message: Outgoing) -> str:
        return self._keyspace.record(message.topics, message.once) + ":first"
