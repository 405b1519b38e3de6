"""The event loop and the connections of a server, in a child that a handler or a view has forked.

A fork copies the greenlets of the server, and the child shares each connection with its parent. The
child keeps neither: its first greenlet, the one that forked, goes on with an event loop of its own;
no other greenlet ever runs again, for all would speak to clients, databases and brokers in the name
of the parent.
"""

import os
import signal
import sys
import traceback
from collections.abc import Iterable
from typing import Any, NoReturn

from gevent.hub import Hub
from greenlet import getcurrent, greenlet

from django_socketio.server.compat.gevent import (
    SwitchOutGreenletWithLoop,
    get_hub_if_exists,
    set_hub,
    set_loop,
)
from django_socketio.server.hijack import Socket

DESCRIPTORS = "/dev/fd"
"""The folder in which Linux, macOS and the BSDs list the descriptors of a process."""

_inherited: list[Any] = []
"""Objects that the child must not free: a greenlet that is freed runs its ``finally`` blocks."""


def leave(error: BaseException | None = None) -> NoReturn:
    """End the child where it would go on as a second server: with the status that its end means."""
    status = 0 if error is None else 1
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


class Grave(SwitchOutGreenletWithLoop):
    """Takes the place of the hub as the parent of the greenlet that forked, and ends the process.

    Args:
        first: the greenlet that forked.

    """

    def __init__(self, first: greenlet, parent: greenlet) -> None:
        super().__init__(self._wait_for, parent)
        greenlet.switch(self, first)

    def _wait_for(self, first: greenlet) -> None:
        try:
            first.switch()
        except BaseException as error:
            leave(error)
        leave()

    def handle_error(self, context: Any, kind: Any, error: Any, tb: Any) -> None:
        """End the process with an error of the greenlet that forked."""
        leave(error)


class _Buried(Hub):
    """The parent's hub, in the child."""

    dead = True
    """Locks and events that belong to a dead hub take the one of the greenlet that uses them."""

    def handle_error(self, context: Any, kind: Any, error: Any, tb: Any) -> None:
        """End the process with an error of code that still knows this hub."""
        leave(error)


def bury(hub: Any) -> Grave | None:
    """Part with the parent's event loop; return the greenlet that takes the place of its hub.

    Returns:
        None where the child runs in the thread of the operating system's that has no such hub, or
        in the main greenlet, which returns to no hub.

    """
    first = getcurrent()
    grave = None
    if get_hub_if_exists() is hub:
        if first not in (hub, hub.parent):
            grave = Grave(first, hub)
            first.parent = grave
        set_hub(None)
        set_loop(None)
    _inherited.extend((hub, hub.loop))
    hub.__class__ = _Buried
    hub.loop.destroy()
    own = Hub(default=True)
    set_hub(own)
    if grave is not None:
        grave.loop = own.loop
    return grave


def keep(*things: Any) -> None:
    """Never free what the child has inherited."""
    _inherited.extend(things)


def reset_signals(receiver: object) -> None:
    """Give signals the handlers that Python knows of, not those of the parent's event loop.

    Args:
        receiver: the object whose methods handle signals for the server. Python's own handlers
            take the place of these methods.

    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        handler = signal.getsignal(number)
        if receiver is not None and getattr(handler, "__self__", None) is receiver:
            interrupts = number == signal.SIGINT
            handler = signal.default_int_handler if interrupts else signal.SIG_DFL
        if handler is not None:
            signal.signal(number, handler)


def descriptors_at(addresses: Iterable[Any]) -> list[int]:
    """Return the descriptors of all sockets with one of these addresses (``getsockname``).

    Those are the listeners and what they have accepted, wherever in the server it is by now.
    """
    places = {_place(address) for address in addresses}
    descriptors = map(int, os.listdir(DESCRIPTORS))
    return [one for one in descriptors if _place(_address(one)) in places]


def _place(address: Any) -> Any:
    """Return the port of an address, or its path: an accepted connection has these in common."""
    return address[1] if isinstance(address, tuple) else address


def _address(descriptor: int) -> Any:
    try:
        sock = Socket(fileno=descriptor)  # which finds out its family: the address depends on it
    except OSError:
        return None
    try:
        return sock.getsockname()
    except OSError:
        return None
    finally:
        sock.detach()


def abandon(descriptors: Iterable[int]) -> None:
    """Give up connections, of which the parent's copies stay open.

    The numbers stay taken: an object that still has one reaches nothing of the child's by it.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
