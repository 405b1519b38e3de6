"""All that the doctor examines, in the order in which a message travels."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from django_socketio.diagnostics import address as addresses
from django_socketio.diagnostics import http2, polling, relay, site, streams, websockets
from django_socketio.diagnostics.address import Address
from django_socketio.diagnostics.findings import Finding, Level, note


def examine(address: Address | None, stream: str | None, wait: bool) -> Iterator[Finding]:
    """Yield what is found, as it is found.

    Args:
        address: the public address; None examines only what needs none.
        stream: the path of an event stream; None looks for one in the URLconf.
        wait: whether connections are held until the server's ping.

    """
    yield from site.examine()
    yield from relay.examine()
    if address is None:
        text = "The way of clients was not examined: no address was given."
        yield note(addresses.ADDRESS, text, "manage.py socketio_doctor https://your.site")
    else:
        yield from _way(address, stream or streams.find(address), wait)


def _way(address: Address, stream: str | None, wait: bool) -> Iterator[Finding]:
    found = list(addresses.examine(address))
    yield from found
    if any(one.level is Level.ERROR for one in found):
        return
    yield from http2.examine(address)
    begun, told = [], set[Finding]()
    for step, transport in ((polling.POLLING, polling), (websockets.WEBSOCKET, websockets)):
        found = list(transport.examine(address))
        yield from (one for one in found if one not in told)
        told.update(found)
        # A WebSocket may work where no client upgrades to one.
        if wait and not any(one.level is Level.ERROR and one.step == step for one in found):
            begun.append(transport.wait_for_ping)
    yield from (one for one in _together(address, begun, stream, wait) if one not in told)


def _together(
    address: Address,
    waits: Sequence[Callable[[Address], Finding]],
    stream: str | None,
    wait: bool,
) -> Iterator[Finding]:
    """Wait for pings on several connections at the same time."""
    with ThreadPoolExecutor() as pool:
        begun = [pool.submit(function, address) for function in waits]
        if stream is not None:
            begun.append(pool.submit(streams.examine, address, stream, wait))
        yield from (one.result() for one in begun)
