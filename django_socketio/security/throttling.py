"""Limits of connections, messages and bytes a second, for each client and each address.

Each limit is a token bucket, stored as a single number: the time when the bucket will be full again
(GCRA, the generic cell rate algorithm).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from django_socketio.exceptions import ProtocolError, RateExceeded
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import size_of
from django_socketio.protocol.http.addresses import network
from django_socketio.sockets.client import Client
from django_socketio.transports.http import EngineRequest, ErrorCode, RequestError
from django_socketio.transports.limits import Rates
from django_socketio.transports.session import Delegate, Session

logger = get_logger("django_socketio.security")

Clock = Callable[[], float]

ADDRESSES = 10_000
"""Addresses that are remembered after their clients have gone; a further one replaces the one that
was used longest ago."""

NO_ADDRESS = (
    "A client has no address (REMOTE_ADDR is empty), so no SOCKETIO_ADDRESS_… limit applies to it. "
    "Behind a proxy, a middleware has to set REMOTE_ADDR; see docs/security.rst"
)


class Bucket:
    """A token bucket.

    Args:
        rate: tokens that are added in a second.
        burst: the capacity, in seconds of the rate.
        clock: returns the time in seconds.

    """

    __slots__ = ("__weakref__", "_burst", "_clock", "_full_at", "_rate")

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._full_at = -math.inf

    def take(self, amount: float = 1) -> float:
        """Take tokens and return 0, or take none and return the seconds until there are enough.

        A full bucket gives any amount, so that one message is always allowed, however long it is.
        Nothing is given at any time: frames without content do not exceed a limit of bytes.
        """
        now = self._clock()
        begin = max(self._full_at, now)
        full_at = begin + amount / self._rate
        excess = full_at - now - self._burst
        if amount and begin > now and excess > 1e-9:
            return excess
        self._full_at = full_at
        return 0.0

    def charge(self, amount: float) -> None:
        """Take tokens, also those that are not there yet."""
        self._full_at = max(self._full_at, self._clock()) + amount / self._rate


class Buckets:
    """The buckets of addresses. A bucket's arguments are as for ``Bucket``.

    Args:
        size: the number of addresses that are remembered, beside those that clients have.

    """

    def __init__(self, rate: float, burst: float, clock: Clock, size: int = ADDRESSES) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._size = size
        self._buckets: dict[str, Bucket] = {}
        self._used: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
        """The remembered buckets, and those that a client's meter has: its limit goes on."""

    def __len__(self) -> int:
        """Return the number of remembered addresses."""
        return len(self._buckets)

    def of(self, address: str) -> Bucket:
        """Return the bucket of an address; an IPv6 address shares that of its /64 network."""
        key = network(address)
        bucket = self._used.get(key)
        if bucket is None:
            bucket = self._used[key] = Bucket(self._rate, self._burst, self._clock)
        self._buckets.pop(key, None)
        if len(self._buckets) >= self._size:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = bucket
        return bucket


@dataclass(frozen=True, slots=True)
class Meter:
    """Counts the messages of one client against one limit."""

    bucket: Bucket
    counts_bytes: bool
    problem: str
    """The message of the error."""

    def count(self, messages: int, size: int) -> None:
        """Count messages (or frames that cost as much), of ``size`` bytes in total.

        Raises:
            RateExceeded: the limit is exceeded.

        """
        if self.bucket.take(size if self.counts_bytes else messages):
            raise RateExceeded(self.problem)

    def charge(self, messages: int, size: int) -> None:
        """Count messages that are admitted in any case."""
        self.bucket.charge(size if self.counts_bytes else messages)


class Throttle:
    """The limits of a process, for its clients and their addresses.

    Args:
        rates: the limits.
        clock: returns the time in seconds.

    """

    def __init__(self, rates: Rates, clock: Clock) -> None:
        self._rates = rates
        self._clock = clock
        self._connections = self._buckets(rates.address_connect_rate)
        self._messages = self._buckets(rates.address_message_rate)
        self._bytes = self._buckets(rates.address_byte_rate)
        self._has_warned = False

    def _buckets(self, rate: float | None) -> Buckets | None:
        return Buckets(rate, self._rates.rate_burst, self._clock) if rate is not None else None

    def welcome(self, request: EngineRequest) -> None:
        """Count a handshake.

        Raises:
            RequestError: there were too many handshakes from its address.

        """
        address = request.environ.get("REMOTE_ADDR") or ""
        if self._connections is None or not self._is_known(address):
            return
        wait = self._connections.of(address).take()
        if wait:
            text = (
                f"Too many connections from {address}: {self._rates.address_connect_rate} a "
                "second are allowed (SOCKETIO_ADDRESS_CONNECT_RATE)"
            )
            again = (("Retry-After", str(math.ceil(wait))),)
            raise RequestError(ErrorCode.BAD_REQUEST, text, 429, again, "rate")

    def _is_known(self, address: str) -> bool:
        if not address and not self._has_warned:
            self._has_warned = True
            logger.warning(NO_ADDRESS)
        return bool(address)

    def meters(self, address: str) -> tuple[Meter, ...]:
        """Return the meters for a new client at this address: one for each limit that is set."""
        return tuple(self._meters(address))

    def _meters(self, address: str) -> Iterator[Meter]:
        rates, burst, clock = self._rates, self._rates.rate_burst, self._clock
        for counts_bytes, unit, buckets, rate in (
            (False, "MESSAGE", self._messages, rates.client_message_rate),
            (True, "BYTE", self._bytes, rates.client_byte_rate),
        ):
            if rate is not None:
                bucket = Bucket(rate, burst, clock)
                yield Meter(bucket, counts_bytes, _problem("client", unit, rate))
            if buckets is not None and self._is_known(address):
                limit = getattr(rates, f"address_{unit.lower()}_rate")
                yield Meter(buckets.of(address), counts_bytes, _problem("address", unit, limit))


def _problem(whose: str, unit: str, rate: float) -> str:
    setting = f"SOCKETIO_{whose.upper()}_{unit}_RATE"
    return f"more than {rate:g} {unit.lower()}s a second from one {whose} ({setting})"


class ThrottledClient:
    """A client whose messages are counted before the client receives them.

    Args:
        client: receives the messages.
        session: the client's session, closed when a limit is exceeded.
        meters: count each message; one for each limit.

    """

    __slots__ = ("_client", "_meters", "_session", "login")

    def __init__(self, client: Client, session: Session, meters: tuple[Meter, ...]) -> None:
        self._client = client
        self._session = session
        self._meters = meters
        self.login = client.login

    def received(self, data: str | bytes) -> None:
        """Count a message, then hand it to the client.

        An attachment has been admitted with the text of its packet, which comes before it.

        Raises:
            RateExceeded: a limit is exceeded; the session is closed.

        """
        if isinstance(data, bytes):
            for meter in self._meters:
                meter.charge(1, len(data))
        else:
            self.extra_received(1, size_of(data))
        self._client.received(data)

    def extra_received(self, count: int, size: int) -> None:
        """Count frames and packets that hold no message.

        Raises:
            RateExceeded: a limit is exceeded; the session is closed.

        """
        try:
            for meter in self._meters:
                meter.count(count, size)
        except RateExceeded as error:
            self._session.close(Reason.TOO_FAST, error)
            raise  # the POST of a client on long-polling is answered with the error

    def upgraded(self, unfetched: Sequence[str | bytes]) -> None:
        """Tell the client that its other side has all packets but these."""
        self._client.upgraded(unfetched)

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """End the sockets of the client."""
        self._client.closed(reason, error)


def throttled(client: Client, session: Session, meters: tuple[Meter, ...]) -> Delegate:
    """Return the client, or a ThrottledClient around it if there are meters."""
    return ThrottledClient(client, session, meters) if meters else client
