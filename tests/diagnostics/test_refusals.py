"""Why the doctor thinks that a site has refused a request."""

import pytest
from django.test import override_settings

from django_socketio.diagnostics import polling, websockets
from django_socketio.diagnostics.address import TIMEOUT, Address, Response
from django_socketio.diagnostics.refusals import explain
from django_socketio.server import handshake_limit
from django_socketio.server.view import NO_SOCKETS
from django_socketio.streams.answers import NO_STREAMS
from django_socketio.transports.http import STOPPING, ErrorCode, RequestError
from tests.kit.answering import answering

ADDRESS = Address("http", "chat.example.com", 80, "/socket.io/", "http://chat.example.com")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (NO_SOCKETS, "This server cannot hold sockets."),
        (
            NO_STREAMS,
            "This server answers one request at a time: an event stream would keep it from all "
            "others.",
        ),
        ("Unsupported method", "This server cannot hold sockets: Unsupported method"),
    ],
)
def test_a_server_without_sockets_is_told_once(answer, text):
    finding = explain("polling", ADDRESS, Response.of(501, [], answer.encode()))
    assert finding.text == text
    assert "-k django_socketio.gunicorn.Worker" in finding.remedy


@pytest.mark.parametrize(
    ("message", "remedy"),
    [(handshake_limit.NO_PLACE, "SOCKETIO_WORKERS"), (STOPPING, "after the restart")],
)
def test_a_server_that_takes_no_clients_at_present_is_no_fault_of_the_proxy(message, remedy):
    answer = RequestError(ErrorCode.BAD_REQUEST, message, 503).answer()
    finding = explain("polling", ADDRESS, Response.of(503, [], answer.body))
    assert finding.text == f"The server answers 503: {message}"
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("status", "body"), [(502, b"<h1>Bad Gateway</h1>"), (504, b"[" * 100_000), (503, b"")]
)
def test_a_proxy_that_does_not_reach_the_server_is_told(status, body):
    finding = explain("polling", ADDRESS, Response.of(status, [("Server", "HAProxy")], body))
    assert finding.text == f"HAProxy does not reach the server ({status})."


@pytest.mark.parametrize("body", ["back at noon", "{}", "3"])
def test_a_site_that_is_closed_is_told_with_its_words(body):
    finding = explain("polling", ADDRESS, Response.of(503, [], body.encode()))
    assert finding.text == f"The site answers 503: {body}"
    assert "maintenance" in finding.remedy


SECURE = Address.parse("https://chat.example.com")


@pytest.mark.parametrize(
    ("address", "target", "text", "remedy"),
    [
        (SECURE, f"{SECURE.own_origin}/socket.io/?EIO=4", "to itself", "X-Forwarded-Proto"),
        (ADDRESS, "https://www.example.com/socket.io/", "www.example.com", "that address"),
        (SECURE, "/login/?next=/socket.io/", "redirected to /login/", "exclude this path"),
    ],
)
def test_redirects_are_told_by_their_targets(address, target, text, remedy):
    finding = explain("polling", address, Response.of(301, [("Location", target)], b""))
    assert text in finding.text
    assert remedy in finding.remedy


@pytest.mark.parametrize(("path", "is_told"), [("/chat/", True), ("/socket.io/", False)])
def test_a_path_that_is_not_that_of_the_urlconf_is_told(path, is_told):
    address = Address.parse(f"https://chat.example.com{path}")
    finding = explain("polling", address, Response.of(404, [], b""))
    assert ("which the URLconf has at /socket.io/" in finding.remedy) is is_told


def test_a_password_of_the_proxy_is_told():
    answer = Response.of(401, [("WWW-Authenticate", "Basic")], b"")
    assert "asks for a password (401)" in explain("polling", ADDRESS, answer).text


@pytest.mark.parametrize("settings", [{"DEBUG": True, "ALLOWED_HOSTS": []}, {}])
def test_a_host_of_ipv6_is_known_to_the_settings(settings):
    address = Address.parse("http://[::1]:8000")
    with override_settings(**settings):
        finding = explain("polling", address, Response.of(400, [], b"Host not allowed"))
    assert "The proxy changes Host" in finding.text


def test_the_answer_to_a_handshake_without_a_place_is_waited_for():
    assert handshake_limit.TIMEOUT < TIMEOUT


@pytest.mark.parametrize("debug", [True, False])
def test_a_host_that_the_settings_refuse_is_told(serve, debug):
    server = serve(django={"DEBUG": debug, "ALLOWED_HOSTS": ["chat.example.com"]})
    address = Address.parse(f"http://127.0.0.1:{server.port}")
    for examine in (polling.examine, websockets.examine):
        (found,) = examine(address)
        assert found.text == "ALLOWED_HOSTS does not name this host (400)."


def test_a_page_that_speaks_of_upgrades_is_no_answer_of_this_package():
    body = b"Content-Length: 30\r\n\r\n<h1>Upgrade your browser!</h1>"
    with answering(b"HTTP/1.1 404 Not Found\r\n", body) as address:
        (found,) = websockets.examine(address)
    assert "leads to nothing (404)" in found.text
