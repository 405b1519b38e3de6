"""Code that cannot be read, where gunicorn's ``reload`` is on: its error is shown as a page."""

from typing import Any

from gevent.event import Event
from gevent.pywsgi import WSGIServer

NO_SOCKETS = "No sockets can connect until the code is mended: %s"


def show_error(error: SyntaxError, worker: Any, stop_asked: Event) -> None:
    """Serve gunicorn's page of an error, and hold no sockets, until the code is mended.

    Args:
        error: the error.
        worker: a worker with gunicorn's reloader, which watches the code.
        stop_asked: set when the worker is to end.

    """
    worker.log.error(NO_SOCKETS, error)
    if error.filename is not None:
        worker.reloader.add_extra_file(error.filename)
    servers = [WSGIServer(one, worker.wsgi, log=None, error_log=None) for one in worker.sockets]
    for server in servers:
        server.start()
    stop_asked.wait()
    for server in servers:
        server.stop(timeout=0)
