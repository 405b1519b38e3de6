"""Settings of gunicorn that the worker cannot keep: each is named when gunicorn starts."""

from collections.abc import Iterator
from typing import Any

WORKER = "django_socketio.gunicorn.Worker"

IMPOSSIBLE = {
    "proxy_protocol": "connections begin with an HTTP request; have the proxy set X-Forwarded-For",
    "protocol": "HTTP is spoken",
    "http_protocols": "HTTP/1.1 is spoken; have a proxy such as nginx speak HTTP/2",
    "http2_cleartext": "HTTP/1.1 is spoken",
}
"""Settings with which requests could not be read, and the reason of each."""

_STRICT = "requests are read strictly"

WITHOUT_EFFECT = {
    "keepalive": "connections are closed after 75 seconds without a request",
    "threads": "greenlets take their place (worker_connections, SOCKETIO_WORKERS)",
    "sendfile": "files are read and sent",
    "websocket_max_message_size": "SOCKETIO_MAX_MESSAGE_SIZE limits messages",
    "root_path": "it is for ASGI; SCRIPT_NAME in the environment is for WSGI",
    "http_parser": "gevent reads requests",
    "suppress_ragged_eofs": "gevent handles TLS",
    "do_handshake_on_connect": "gevent handles TLS",
    "permit_obsolete_folding": _STRICT,
    "strip_header_spaces": _STRICT,
    "permit_unconventional_http_method": _STRICT,
    "permit_unconventional_http_version": _STRICT,
    "casefold_http_method": _STRICT,
}
"""Settings without an effect here, and the reason of each."""


def impossible(cfg: Any) -> Iterator[str]:
    """Yield a sentence for each setting with which the worker could not serve any client."""
    for name, reason in IMPOSSIBLE.items():
        if _is_changed(cfg, name):
            value = cfg.settings[name].get()
            yield f"{name} = {value!r} cannot be used with {WORKER}: {reason}."


def without_effect(cfg: Any) -> Iterator[str]:
    """Yield a sentence for each setting that is set, and has no effect on the worker."""
    for name, reason in WITHOUT_EFFECT.items():
        if _is_changed(cfg, name):
            value = cfg.settings[name].get()
            yield f"{name} = {value!r} has no effect with {WORKER}: {reason}."


def _is_changed(cfg: Any, name: str) -> bool:
    """Return whether a setting has another value than gunicorn's default."""
    setting = cfg.settings.get(name)  # None: this version of gunicorn has no such setting
    return setting is not None and bool(setting.get() != _default(setting))


def _default(setting: Any) -> Any:
    """Return the default as gunicorn keeps it: validated."""
    return type(setting)().get()
