"""Parts of gevent that are private, or documented as provisional.

``server/pywsgi.py`` also overrides private methods. They are listed here, so that a test finds out
when a version of gevent no longer has one.
"""

from typing import Any

from gevent._greenlet_primitives import SwitchOutGreenletWithLoop
from gevent._hub_local import get_hub_if_exists, set_hub, set_loop
from gevent.pywsgi import WSGIServer
from gevent.pywsgi import _InvalidClientInput as InvalidClientInput

__all__ = [
    "InvalidClientInput",
    "SwitchOutGreenletWithLoop",
    "get_hub_if_exists",
    "set_hub",
    "set_loop",
]

OVERRIDDEN = {
    "WSGIHandler": (
        "_handle_client_error",
        "_headers",
        "_sendall",
        "_write",
        "_write_with_headers",
        "finalize_headers",
        "get_environ",
        "handle_error",
        "log_error",
        "log_request",
        "process_result",
        "read_request",
        "read_requestline",
        "run_application",
    ),
    "Input": ("_chunked_read", "_send_100_continue", "read", "readline"),
    "WSGIServer": (
        "_start_accepting_if_started",
        "do_handle",
        "full",
        "handle",
        "set_listener",
        "wrap_socket_and_handle",
    ),
}
"""Methods of classes of ``gevent.pywsgi`` that the server's classes override or call."""


def wait_until_stopped(server: WSGIServer) -> None:
    """Wait until a server is stopped; ``serve_forever`` would also start and stop it."""
    server._stop_event.wait()


def waits_to_write(sock: Any) -> bool:
    """Return whether a greenlet waits until one of gevent's sockets takes more."""
    watcher = sock._write_event
    return watcher is not None and watcher.active
