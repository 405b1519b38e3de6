"""Why the site has refused a request, by its answer, and by what it answers to other requests."""

import json
from contextlib import suppress
from dataclasses import replace

from django.conf import settings
from django.http.request import validate_host

from django_socketio.diagnostics.address import FAILURES, Address, Response
from django_socketio.diagnostics.findings import Finding, error, warning
from django_socketio.server.endpoints import path_of_clients
from django_socketio.server.handshake_limit import NO_PLACE
from django_socketio.server.refusals import ONLY_USERS
from django_socketio.transports.http import STOPPING

SHOWN = 200
"""Characters of an answer that are shown."""

REDIRECTS = (301, 302, 303, 307, 308)
UNAVAILABLE = (502, 503, 504)

AT_PRESENT = {
    NO_PLACE: (
        "The middleware of the site is slow, or SOCKETIO_WORKERS allows too few handshakes at the "
        "same time; see the log of django_socketio.security."
    ),
    STOPPING: "Run this command again after the restart of the server.",
}
"""What to do about the answers by which this package takes no clients at present."""

CANNOT_HOLD = "This server cannot hold sockets"

OF_HOSTS = ("Host not allowed", "<h1>Bad Request (400)</h1>", "DisallowedHost")
"""Words of the answers to a wrong host: of this package, of Django, and of Django under DEBUG."""

ANONYMOUS = "Without --cookie, this command connects as an anonymous visitor."

OF_DEBUG = [".localhost", "127.0.0.1", "[::1]"]
"""What Django allows under DEBUG where ALLOWED_HOSTS is empty."""

KEEP_HOST = "nginx: proxy_set_header Host $http_host;"
TELL_SCHEME = (
    "nginx: proxy_set_header X-Forwarded-Proto $scheme; and in the settings "
    'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https").'
)


def explain(step: str, address: Address, response: Response, path: str = "") -> Finding:
    """Return why a request was refused, and what to change.

    Args:
        step: the step that sent the request.
        address: the public address.
        response: the answer.
        path: the path of the request, if it is not that of the sockets.

    """
    status, text = response.status, shown(response)
    if status == 403 and "Forbidden origin" in text:
        return _origin(step, address)
    if status == 400 and any(words in response.body for words in OF_HOSTS):
        return _host(step, address, "400")
    for numbers, make in _BY_STATUS:
        if status in numbers:
            return make(step, replace(address, path=path or address.path), response)
    return error(step, f"The site answers {status}: {text}", "")


def shown(response: Response) -> str:
    """Return the beginning of an answer as one line."""
    return " ".join(response.body.split())[:SHOWN]


def own_message(response: Response) -> str:
    """Return the message of an answer in the form of Socket.IO's servers; "" for others."""
    with suppress(ValueError, RecursionError):
        told = json.loads(response.body)
        if isinstance(told, dict) and told.keys() == {"code", "message"}:
            return str(told["message"])
    return ""


# Origins and hosts


def _origin(step: str, address: Address) -> Finding:
    """Return why the origin of a page was refused: which part the proxy does not pass on."""
    if address.origin != address.own_origin:
        return error(
            step,
            f"Pages of {address.origin} are refused.",
            f'SOCKETIO_ALLOWED_ORIGINS = ["{address.origin}"] lets them connect.',
        )
    text = f"The site refuses its own pages ({address.origin}): "
    if address.scheme == "https" and _is_accepted(address, f"http://{address.host_field}"):
        return error(step, f"{text}the proxy does not tell that they use https.", TELL_SCHEME)
    if address.host_field != address.name and _is_accepted(
        address, f"{address.scheme}://{address.name}"
    ):
        return error(step, f"{text}the proxy drops the port from Host.", KEEP_HOST)
    remedy = f"{KEEP_HOST} Where the proxy sets X-Forwarded-Host: USE_X_FORWARDED_HOST = True."
    if address.scheme == "https":
        remedy += f" {TELL_SCHEME}"
    return error(step, f"{text}the proxy changes Host.", remedy)


def _is_accepted(address: Address, origin: str) -> bool:
    try:
        target = address.query(transport="polling")
        return address.of_page(origin).request(target).status == 200
    except FAILURES:
        return False


def _host(step: str, address: Address, status: str) -> Finding:
    allowed = settings.ALLOWED_HOSTS or (OF_DEBUG if settings.DEBUG else [])
    if validate_host(address.name, allowed):
        text = f"The proxy changes Host: the site gets one that ALLOWED_HOSTS lacks ({status})."
        return error(step, text, KEEP_HOST)
    remedy = f"Add {address.name!r} to ALLOWED_HOSTS."
    return error(step, f"ALLOWED_HOSTS does not name this host ({status}).", remedy)


# Other answers


def _unavailable(step: str, address: Address, response: Response) -> Finding:
    """Return that the server takes no clients at present, or that the proxy does not reach it."""
    if message := own_message(response):
        text = f"The server answers {response.status}: {message:.{SHOWN}}"
        return error(step, text, AT_PRESENT.get(message, ""))
    text = f"{response.server or 'The proxy'} does not reach the server ({response.status})."
    remedy = "Is the server running, at the address that the proxy has (proxy_pass)?"
    if response.status == 503 and (told := shown(response)):
        text = f"The site answers 503: {told}"
        remedy += " Or is the site closed for maintenance?"
    return error(step, text, remedy)


def _missing(step: str, address: Address, response: Response) -> Finding:
    text = f"{address.path} leads to nothing (404), as {response.server or 'the server'} says."
    remedy = (
        'The URLconf needs path("", include("django_socketio.urls")), and the proxy a location '
        f"for this path. {_of_path(address)}"
    )
    return error(step, text, remedy.strip())


def another_application(address: Address) -> str:
    """Return what to do about an answer that is not that of a socket."""
    return f"Another application has this path. {_of_path(address)}".strip()


def _of_path(address: Address) -> str:
    """Return what to do about a path that is not that of the URLconf; "" if it is."""
    path = path_of_clients()
    if address.path == path:
        return ""
    return f"The path of an address is that of the sockets, which the URLconf has at {path}"


def _moved(step: str, address: Address, response: Response) -> Finding:
    target = response.headers.get("location", "")
    if address.scheme == "https" and target.startswith(f"{address.own_origin}{address.path}"):
        text = "The site redirects this path to itself: the proxy does not tell that it uses https."
        return error(step, text, TELL_SCHEME)
    text = f"The address is redirected to {target:.200}; clients do not follow."
    if target.startswith("https:") and address.scheme == "http":
        return error(step, text, "Give this command, and the clients, that address.")
    return error(step, text, "A middleware or a proxy redirects: exclude this path.")


def _forbidden(step: str, address: Address, response: Response) -> Finding:
    if own_message(response) == ONLY_USERS:
        return warning(step, "Only users who are logged in may connect.", ANONYMOUS)
    if "www-authenticate" in response.headers:
        text = f"The address asks for a password ({response.status}), and this command has none."
        return error(step, text, f"Exempt {address.path} from it, or run this command behind it.")
    told = f": {body}" if (body := shown(response)) else "."
    text = f"The site refuses the handshake ({response.status}){told}"
    return error(step, text, ANONYMOUS)


def _wrong_server(step: str, address: Address, response: Response) -> Finding:
    remedy = "gunicorn -k django_socketio.gunicorn.Worker holds sockets (docs/deployment.rst)."
    told = shown(response)
    if told.startswith("This server "):  # what follows is for people who start a server
        return error(step, f"{told.partition('. ')[0].removesuffix('.')}.", remedy)
    return error(step, f"{CANNOT_HOLD}: {told}", remedy)


def _too_fast(step: str, address: Address, response: Response) -> Finding:
    text = f"Too many connections from this address: {shown(response)}"
    remedy = (
        "This command opens up to ten within a second: run it again later. Behind a proxy, all "
        "clients may have its address: docs/security.rst says how to tell theirs."
    )
    return warning(step, text, remedy)


_BY_STATUS = (
    (UNAVAILABLE, _unavailable),
    ((404,), _missing),
    (REDIRECTS, _moved),
    ((401, 403), _forbidden),
    ((501,), _wrong_server),
    ((429,), _too_fast),
)
