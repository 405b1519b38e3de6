"""The plugin for pytest: fixtures, and the end of each test.

pytest imports this module at each start, also where no test uses sockets. It imports neither Django
nor gevent before a test needs them.
"""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from django_socketio.testing import running

if TYPE_CHECKING:
    from django_socketio.testing import OutboxMessage, SocketClient


@pytest.fixture
def socket_client() -> "Callable[..., SocketClient]":
    """Return a function that connects a client: ``socket_client(user=ann, auth={…})``.

    ``connect=False`` leaves the client unconnected. The other arguments are those of
    ``SocketClient``.
    """
    from django_socketio.testing import SocketClient

    def start(*args: Any, auth: Any = None, connect: bool = True, **kwargs: Any) -> SocketClient:
        client = SocketClient(*args, **kwargs)
        return client.connect(auth) if connect else client

    return start


@pytest.fixture
def socket_outbox() -> "list[OutboxMessage]":
    """Return the messages that the test has sent to channels and other audiences."""
    from django_socketio.testing import outbox

    return outbox


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note that a test begins."""
    _watch_registrations()
    running.begin_test()
    return (yield)


def _watch_registrations() -> None:
    """Have the handlers of tests removed, on sites that use the package."""
    if "django_socketio.events.handlers" in sys.modules:
        from django_socketio.testing import registrations

        registrations.watch()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
    """Let the handlers outlast the test that a fixture of a class or a module registers."""
    if fixturedef.scope == "function":
        return (yield)
    with running.suspended():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """End the sockets of a test while its fixtures, as the database, are still there.

    Handlers end after them: a fixture may use those that it has registered.
    """
    try:
        running.end_test()
    finally:
        try:
            yield
        finally:
            running.end_fixtures()
