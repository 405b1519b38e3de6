"""The recoverable sockets of a process: by the secret of their clients, and those that are away."""

import hashlib
import re
import secrets
from typing import Any, NamedTuple, Protocol

from django_socketio.channels.claims import Claims
from django_socketio.channels.offsets import Offsets, is_offset
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import Timers
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.sockets.sent_events import Budget
from django_socketio.transports.limits import Limits

logger = ClientLog(get_logger("django_socketio.sockets"))

SHARE_OF_ONE = 10
"""Part of all sockets that are away which may be those of one user, or of one address: 1/10."""

MARGIN = 5.0
"""Seconds after the end of a silent connection for which events are kept that it was to bring."""

RECOVERABLE = frozenset({Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR, Reason.PING_TIMEOUT})
"""Reasons of the end of a connection whose client may come back."""

SEARCH_TIMEOUT = 3.0
"""Seconds that a client waits for the process that has its socket, with handlers that still run."""

TAKE_TIMEOUT = 2.0
"""Seconds for which a socket stays with the process that offers it, until another one takes it."""

MAX_PID = 100
"""Characters of a secret."""


def is_asked_for(query: str, for_all: bool) -> bool:
    """Return whether the client that has opened a session with this query may come back.

    Args:
        for_all: whether clients may that do not say otherwise.

    """
    if "recovery=" not in query:  # as for most
        return for_all
    value = _last_value(query, "recovery")
    return for_all if value is None else value == "1"


def _last_value(query: str, name: str) -> str | None:
    values = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
    return values.get(name)


def new_secret(socket_id: str) -> str:
    """Return a secret, by which a client comes back to its socket; it names the socket."""
    return f"{socket_id}.{secrets.token_urlsafe(18)}"


socket_in = re.compile(r"([\w-]{10,40})\.[\w-]{24}", re.ASCII).fullmatch
"""Matches a secret with the id of its socket."""


def digest_of(secret: str) -> bytes:
    """Return the digest of a secret, which is kept instead of the secret."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


class Ticket(NamedTuple):
    """What a client presents that comes back.

    Attributes:
        pid: the secret of its socket.
        offset: that of the last event that it has had; None if it has had none.

    """

    pid: str
    offset: str | None

    @property
    def digest(self) -> bytes:
        """The digest of the secret."""
        return digest_of(self.pid)

    @property
    def socket_id(self) -> str | None:
        """The id of the socket; None if the secret is not one that a server has made."""
        found = socket_in(self.pid)
        return None if found is None else found[1]


def take_ticket(auth: dict[str, Any]) -> tuple[dict[str, Any], Ticket | None]:
    """Return the data of a CONNECT without what the client presents, and this.

    A client that presents something else is as one that comes for the first time.
    """
    if "pid" not in auth:
        return auth, None
    rest = {key: value for key, value in auth.items() if key not in ("pid", "offset")}
    pid, offset = auth["pid"], auth.get("offset")
    is_pid = isinstance(pid, str) and 0 < len(pid) <= MAX_PID
    is_known = offset is None or (isinstance(offset, str) and is_offset(offset) is not None)
    return rest, Ticket(pid, offset) if is_pid and is_known else None


class Recoverable(Protocol):
    """The lifecycle of a recoverable socket, as it is listed here."""

    @property
    def holder(self) -> str:
        """The user that the socket is of, or the address of an anonymous one."""

    def end(self, reason: str) -> None:
        """End the socket."""


class Away:
    """The recoverable sockets of a process.

    Args:
        limits: the limits of clients.
        timers: the deadlines of the server.

    Attributes:
        seconds: for how long a socket may be away.
        offsets: gives events their offsets.
        budget: the bytes that may be kept.
        claims: asks other processes for their sockets; None if there are no others.
        outlasts: whether sockets of connections that the server ends are away, too: other processes
            take them, while this one still runs.

    """

    claims: Claims | None = None
    outlasts = False

    def __init__(self, limits: Limits, timers: Timers) -> None:
        self.seconds = limits.recovery_seconds
        self._limits = limits
        silence = limits.ping_interval + limits.ping_timeout + MARGIN
        self.offsets = Offsets(timers.clock)
        self.budget = Budget(limits.recovery_bytes, limits.max_unsent_bytes // 2, silence)
        self._by_digest: dict[bytes, Any] = {}
        self._away: dict[Any, str] = {}
        self._of: dict[str, int] = {}

    def __len__(self) -> int:
        """Return the number of sockets that are away."""
        return len(self._away)

    def is_for(self, query: str) -> bool:
        """Return whether the client that has opened a session with this query may come back."""
        return is_asked_for(query, self._limits.recovery_for_all)

    # By the digests of secrets

    def register(self, digest: bytes, lifecycle: Any) -> None:
        """Have a lifecycle found by the digest of its secret, instead of any other."""
        self._by_digest[digest] = lifecycle

    def find(self, digest: bytes) -> Any:
        """Return the lifecycle that was registered last; None if there is none."""
        return self._by_digest.get(digest)

    def forget(self, digest: bytes, lifecycle: Any) -> None:
        """Find a lifecycle no more, unless another was registered since then."""
        if self._by_digest.get(digest) is lifecycle:
            del self._by_digest[digest]

    # Sockets that are away

    def admit(self, lifecycle: Recoverable) -> bool:
        """Note that a socket is away; False if too many are."""
        holder = lifecycle.holder
        number = self._of.get(holder, 0)
        most = self._limits.max_away_sockets
        if len(self._away) >= most or number >= max(1, most // SHARE_OF_ONE):
            logger.info("A socket of %s cannot be kept while it is away: too many are", holder)
            return False
        self._of[holder] = number + 1
        self._away[lifecycle] = holder
        return True

    def discard(self, lifecycle: Recoverable) -> None:
        """Note that a socket is not away any more."""
        holder = self._away.pop(lifecycle, None)
        if holder is not None:
            self._of[holder] -= 1
            if not self._of[holder]:
                del self._of[holder]

    def outlast(self) -> None:
        """Have the sockets of connections that the server ends be away, for other processes."""
        self.outlasts = self.claims is not None

    def end_all(self, reason: str) -> None:
        """End all sockets that are away, and let no other be away because the server ends it."""
        self.outlasts = False
        for lifecycle in list(self._away):
            lifecycle.end(reason)
