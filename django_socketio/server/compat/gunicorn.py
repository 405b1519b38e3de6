"""Parts of gunicorn that are no documented API of worker classes."""

import sys
from typing import Any

from gunicorn.config import PostRequest, PreRequest
from gunicorn.http.wsgi import base_environ
from gunicorn.sock import ssl_context

__all__ = ["PostRequest", "PreRequest", "base_environ", "config_of_setup", "ssl_context"]


def config_of_setup() -> Any:
    """Return the configuration that calls ``Worker.setup``, which does not hand itself in.

    To be called by ``setup`` itself. Return None where something else calls that.
    """
    return sys._getframe(2).f_locals.get("self")
