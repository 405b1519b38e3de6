"""Pages of other origins do not get in, over either transport, behind proxies or not."""

import http.client

import pytest

from django_socketio.checks import check_settings
from tests.clients import PollingClient
from tests.trust.test_bound_sessions import UPGRADE

TLS = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
FORWARDED = {**TLS, "USE_X_FORWARDED_HOST": True, "ALLOWED_HOSTS": [".example.com"]}


@pytest.fixture(params=["polling", "websocket"])
def shake(request):
    """Shake hands over each transport; return the status and the header fields of the answer."""

    def shake(server, origin, host="localhost", sid=None, **headers):
        path = f"/socket.io/?EIO=4&transport={request.param}" + (f"&sid={sid}" if sid else "")
        upgrade = UPGRADE if request.param == "websocket" else {}
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request(
            "GET", path, headers={**upgrade, **fields, "Host": host, "Origin": origin}
        )
        answer = connection.getresponse()
        allowed = answer.status in (200, 101)
        connection.close()
        return allowed or answer.status, dict(answer.getheaders())

    return shake


def test_the_same_origin_is_allowed_and_others_are_not(server, shake):
    assert shake(server, "http://localhost:9000", host="localhost:9000")[0] is True
    for origin in (
        "https://localhost",
        "http://localhost:9000",
        "http://localhost.evil.example",
        "http://evil.example",
        "null",
        "http://[",
        "",
    ):
        assert shake(server, origin)[0] == 403, origin


def test_a_refusal_names_what_came_what_was_expected_and_the_setting(server, shake, caplog):
    status, headers = shake(server, "https://evil.example")
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    (record,) = [r for r in caplog.records if r.levelname == "WARNING" and "Origin" in r.message]
    assert "'https://evil.example' refused: expected 'http://localhost'" in record.message
    assert "SOCKETIO_ALLOWED_ORIGINS" in record.message


def test_requests_of_a_session_are_judged_too(server, shake):
    client = PollingClient(server.port)
    assert shake(server, "https://evil.example", sid=client.sid)[0] == 403
    client.connect()


def test_a_host_that_is_not_the_sites_is_refused(server, shake):
    assert shake(server, "http://evil.example", host="evil.example")[0] == 400


def test_behind_a_proxy_the_scheme_and_host_of_the_browser_count(serve, shake):
    server = serve(django=FORWARDED)
    proxied = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "chat.example.com"}
    assert shake(server, "https://chat.example.com", "10.0.0.1:8000", **proxied)[0] is True
    assert shake(server, "http://chat.example.com", "10.0.0.1:8000", **proxied)[0] == 403
    assert shake(server, "http://10.0.0.1:8000", "10.0.0.1:8000", **proxied)[0] == 403


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost:443"])
def test_the_host_may_be_written_otherwise(serve, shake, host):
    server = serve(django=TLS)
    assert shake(server, "https://localhost", host, X_Forwarded_Proto="https")[0] is True
    assert shake(server, "https://localhost:80", host, X_Forwarded_Proto="https")[0] == 403


def test_without_the_setting_a_header_of_the_client_counts_for_nothing(server, shake):
    assert shake(server, "https://localhost", X_Forwarded_Proto="https")[0] == 403
    assert shake(server, "http://evil.example", X_Forwarded_Host="evil.example")[0] == 403


def test_trusted_origins_of_csrf_may_be_subdomains(serve, shake):
    server = serve(django={"CSRF_TRUSTED_ORIGINS": ["https://*.good.example"]})
    status, headers = shake(server, "https://a.good.example")
    assert status is True
    assert headers["Access-Control-Allow-Origin"] == "https://a.good.example"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in headers["Vary"]
    for origin in ("http://a.good.example", "https://agood.example", "https://[", "null"):
        assert shake(server, origin)[0] == 403, origin


def test_everybody_is_let_in_without_cookies_only(serve, shake):
    server = serve(ALLOWED_ORIGINS=["*", "https://good.example"])
    status, headers = shake(server, "https://any.example")
    assert status is True
    assert headers["Access-Control-Allow-Origin"] == "https://any.example"
    assert "Access-Control-Allow-Credentials" not in headers
    assert "Access-Control-Allow-Credentials" in shake(server, "https://good.example")[1]
    assert [warning.id for warning in check_settings()] == ["django_socketio.W002"]
