"""Pages of other origins do not get in, over either transport, behind proxies or not."""

import http.client

import pytest

from django_socketio.checks import check_settings
from tests.kit.clients import PollingClient
from tests.kit.http import HANDSHAKE, UPGRADE, exchange
from tests.kit.logs import errors_of

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
        "file://",
        "http://[",
        "",
    ):
        assert shake(server, origin)[0] == 403, origin


def test_under_debug_pages_of_another_port_of_this_host_are_allowed(serve, shake):
    """They come from ``runserver``, and their sockets go to ``runserver_socketio``."""
    server = serve(django={"DEBUG": True})
    allowed, fields = shake(server, "http://localhost:8000", host="localhost:9000")
    assert allowed is True
    assert fields["Access-Control-Allow-Credentials"] == "true"
    for origin in ("https://localhost:8000", "http://evil.example:9000", "http://127.0.0.1:8000"):
        assert shake(server, origin, host="localhost:9000")[0] == 403, origin


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost", "ws://localhost"),  # the official Swift client
        ("localhost:80", "ws://localhost"),
        ("localhost:9000", "ws://localhost:9000"),
        ("localhost", "http://localhost:80"),
        ("localhost", "HTTP://LocalHost"),
        ("LOCALHOST", "http://localhost"),
        ("localhost:9000", "http://localhost:9000/"),
        ("localhost", "http://localhost/chat/?token=x"),  # elephant.io sends its whole URL
        ("[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000"),
        ("[::1]:80", "ws://[0:0::1]"),
    ],
)
def test_the_same_origin_may_be_spelt_in_other_ways(server, shake, host, origin):
    status, headers = shake(server, origin, host=host)
    assert status is True
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "origin",
    [
        "wss://localhost",
        "http://localhost:443",
        "ws://localhost:9000",
        "http://localhost.",
        "http://localhost@evil.example",
        "http://evil.example/@localhost",
        "http://evil.example#localhost",
        "http://evil.example\\@localhost",
        "http://localhost\\evil.example",
        "http://localhost, http://localhost",
        "http://localhost http://evil.example",
        "http://l\u00f6calhost".encode().decode("latin-1"),
        "http://localhost:",
        "http://localhost:80000",
        "http:localhost",
        "//localhost",
        "localhost",
        "app://localhost",
        "NULL",
        "*",
    ],
)
def test_another_origin_that_looks_the_same_is_refused(server, shake, origin):
    assert shake(server, origin)[0] == 403


def test_a_refusal_names_what_came_what_was_expected_and_the_setting(server, shake, caplog):
    status, headers = shake(server, "https://evil.example")
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    (record,) = [r for r in caplog.records if r.levelname == "WARNING" and "Origin" in r.message]
    assert "'https://evil.example' refused: expected 'http://localhost'" in record.message
    assert "SOCKETIO_ALLOWED_ORIGINS" in record.message


@pytest.mark.parametrize("origin", ["null", "file://"])
def test_a_refusal_of_an_origin_that_many_pages_share_says_so(server, shake, caplog, origin):
    assert shake(server, origin)[0] == 403
    (record,) = [r for r in caplog.records if r.levelname == "WARNING" and "Origin" in r.message]
    assert f"{origin!r} refused: expected 'http://localhost'" in record.message
    assert "SOCKETIO_ALLOWED_ORIGINS" in record.message
    assert "Pages of unknown authors have this origin: see docs/security.rst" in record.message


def test_what_is_not_an_origin_is_not_recommended_to_be_named(server, shake, caplog):
    assert shake(server, "http://[")[0] == 403
    (record,) = [r for r in caplog.records if r.levelname == "WARNING" and "Origin" in r.message]
    assert "'http://[' refused: not an origin" in record.message
    assert "SOCKETIO_ALLOWED_ORIGINS" not in record.message


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


NAMED = {
    "https://good.example": [
        "https://good.example",
        "wss://good.example",
        "https://GOOD.example:443",
    ],
    "HTTPS://Good.Example:443/": ["https://good.example"],
    "ws://good.example:9000": ["http://good.example:9000"],
    "https://*.good.example": ["https://a.b.good.example", "https://good.example"],
    "https://*.good.example:8443": ["https://a.good.example:8443"],
    "http://[0:0::1]:9000": ["http://[::1]:9000"],
    "https://xn--bcher-kva.example": ["https://xn--bcher-kva.example"],
    "capacitor://localhost": ["capacitor://localhost"],
    "ionic://localhost": ["ionic://localhost"],
    "app://.": ["app://."],
    "app://": ["app://"],
    "chrome-extension://abcdefghijklmnop": ["chrome-extension://abcdefghijklmnop"],
    "safari-web-extension://AB-CD": ["safari-web-extension://AB-CD"],
}


@pytest.mark.parametrize("pattern", NAMED)
def test_a_named_origin_gets_in_with_credentials(serve, shake, pattern):
    server = serve(ALLOWED_ORIGINS=[pattern])
    assert check_settings() == []
    for origin in NAMED[pattern]:
        status, headers = shake(server, origin)
        assert status is True, origin
        assert headers["Access-Control-Allow-Origin"] == origin
        assert headers["Access-Control-Allow-Credentials"] == "true"


NOT_NAMED = {
    "https://good.example": ["http://good.example", "https://good.example:80", "null", "file://"],
    "https://*.good.example": ["https://agood.example", "https://a.good.example:8443", "null"],
    "https://*.good.example:8443": ["https://a.good.example"],
    "capacitor://localhost": ["ionic://localhost", "capacitor://localhost:80", "capacitor://"],
    "safari-web-extension://AB-CD": ["safari-web-extension://ab-cd"],
    "null": ["file://", "https://null", "NULL"],
    "file://": ["null", "file", "files://"],
}


@pytest.mark.parametrize("pattern", NOT_NAMED)
def test_an_origin_that_is_not_the_named_one_is_refused(serve, shake, pattern):
    server = serve(ALLOWED_ORIGINS=[pattern])
    for origin in NOT_NAMED[pattern]:
        assert shake(server, origin)[0] == 403, origin


@pytest.mark.parametrize(
    ("origin", "sent"), [("null", "null"), ("file://", "file://"), ("FILE:///", "file://")]
)
def test_an_origin_that_many_pages_share_gets_in_without_credentials(serve, shake, origin, sent):
    server = serve(ALLOWED_ORIGINS=[origin])
    status, headers = shake(server, sent)
    assert status is True
    assert headers["Access-Control-Allow-Origin"] == sent
    assert "Access-Control-Allow-Credentials" not in headers
    (warning,) = check_settings()
    assert warning.id == "django_socketio.W002"
    assert f'"{origin}"' in warning.msg


def test_an_ill_typed_list_is_reported_once():
    for value in (7, None, "*", {"*": 1}):
        assert [error.id for error in errors_of(ALLOWED_ORIGINS=value)] == ["django_socketio.E001"]


BAD_ENTRIES = {
    "good.example": "has no scheme: write 'https://good.example'",
    "https://good.example/chat": "has a path",
    "https://good.example?a=1": "has a path",
    "https://b\u00fccher.example": "is not ASCII: write the host in punycode",
    "https://*": "uses '*' in another way than 'https://*.example.com'",
    "https://a.*.example": "uses '*' in another way than 'https://*.example.com'",
    "*://good.example": "uses '*' in another way than 'https://*.example.com'",
    "https://ann@good.example": "is not an origin",
    "https://good.example:80000": "is not an origin",
    "https://": "is not an origin",
    "https://.com": "has a host with an empty label",
    "https://*..example.com": "has a host with an empty label",
    "https://a..example.com:9000": "has a host with an empty label",
    "NULL": "must be written 'null', as browsers send it",
    "Null": "must be written 'null', as browsers send it",
    "about:blank": "names no origin: pages of 'about:' and 'data:' URLs send 'null'",
    "data:text/html,x": "names no origin: pages of 'about:' and 'data:' URLs send 'null'",
    "*.com": "has no scheme: write 'https://*.com'",
    7: "is not a string",
}


@pytest.mark.parametrize("entry", BAD_ENTRIES)
def test_an_entry_that_names_no_origin_is_reported(entry):
    (error,) = errors_of(ALLOWED_ORIGINS=["https://good.example", entry])
    assert error.id == "django_socketio.E001"
    assert f"{entry!r} {BAD_ENTRIES[entry]}" in error.msg


@pytest.mark.parametrize("entry", ["https://*.com", "http://*.com:8000", "https://*.com."])
def test_a_wildcard_for_a_top_level_domain_is_warned_of(entry):
    (warning,) = errors_of(ALLOWED_ORIGINS=["https://*.example.com", "http://*.localhost", entry])
    assert warning.id == "django_socketio.W002"
    assert f'contains "{entry}": any page of a site below .com can open' in warning.msg


@pytest.mark.parametrize(
    "entry", ["https://example.com.", "https://[::1]:8000", "http://localhost", "app://x..y"]
)
def test_odd_origins_that_browsers_send_are_no_fault(entry):
    assert errors_of(ALLOWED_ORIGINS=[entry]) == []


# Header fields of pages of other origins


def preflight(server, origin, asked=None):
    """Ask as browsers do before they send header fields; return the fields that are allowed."""
    fields = {"Access-Control-Request-Method": "GET", "Host": "localhost", "Origin": origin}
    if asked is not None:
        fields["Access-Control-Request-Headers"] = asked
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("OPTIONS", HANDSHAKE, headers=fields)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("Access-Control-Allow-Headers")


USUAL = "Authorization, Content-Type"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("authorization,x-device", "authorization,x-device"),
        ("x-a, x-b", "x-a, x-b"),
        (None, USUAL),
        ("", USUAL),
        ("a b", USUAL),
        ("x-a;", USUAL),
        ("x-\u00e9", USUAL),
    ],
)
def test_a_page_of_a_named_origin_may_send_any_header_field(serve, asked, allowed):
    server = serve(ALLOWED_ORIGINS=["https://good.example"])
    assert preflight(server, "https://good.example", asked) == (204, allowed)


@pytest.mark.parametrize("origin", ["null", "file://", "https://any.example"])
def test_pages_of_unknown_authors_may_send_the_usual_fields(serve, origin):
    server = serve(ALLOWED_ORIGINS=["*", "null", "file://"])
    assert preflight(server, origin, "x-forwarded-for") == (204, USUAL)


@pytest.mark.parametrize("origin", ["https://good.example", "https://any.example"])
def test_a_setting_names_the_fields_that_all_pages_may_send(serve, origin):
    server = serve(ALLOWED_ORIGINS=["*", "https://good.example"], ALLOWED_HEADERS=["X-A", "X-B"])
    assert check_settings()[0].id == "django_socketio.W002"
    assert preflight(server, origin, "x-device") == (204, "X-A, X-B")


def test_a_page_that_may_not_connect_learns_of_no_field(server):
    assert preflight(server, "https://evil.example", "authorization") == (403, None)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("Authorization", ""),
        (["Authorization:"], " 'Authorization:' is not the name of a header field."),
        (["X-A, X-B"], " 'X-A, X-B' is not the name of a header field."),
        (["*"], " '*' is not the name of a header field."),
        ([""], " '' is not the name of a header field."),
        ([7], " 7 is not the name of a header field."),
    ],
)
def test_what_names_no_header_field_is_reported(value, fault):
    (error,) = errors_of(ALLOWED_HEADERS=value)
    assert error.id == "django_socketio.E001"
    assert error.msg.endswith(f", not {value!r}.{fault}")


# JSONP: browsers send no Origin with a script


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ("http://localhost:9000/chat/", 200),
        ("https://other.example/page", 200),
        ("http://localhost/", 403),
        ("https://evil.example/?http://localhost:9000/", 403),
        ("localhost:9000", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
def test_a_script_is_for_pages_that_may_connect(serve, page, status):
    server = serve(ALLOW_EIO3=True, ALLOWED_ORIGINS=["https://other.example"])
    path = "/socket.io/?EIO=3&transport=polling&j=0"
    headers = {"Host": "localhost:9000", **({"Referer": page} if page else {})}
    assert exchange(server.port, "GET", path, headers=headers)[0] == status


@pytest.mark.parametrize(
    "query",
    ["j=0&EIO=3", "EIO=3&j", "EIO=3&j=", "EIO=3&%6A=0", "EIO=3&%6a", "EIO=3&&j", "EIO=3&j=0&j"],
)
def test_a_script_is_known_however_its_query_is_written(serve, query):
    server = serve(ALLOW_EIO3=True)
    path = f"/socket.io/?transport=polling&{query}"
    assert exchange(server.port, "GET", path, headers={"Host": "localhost"})[0] == 403
    headers = {"Host": "localhost", "Referer": "http://localhost/"}
    status, body = exchange(server.port, "GET", path, headers=headers)
    assert status == 200
    assert body.startswith("___eio[")


def test_the_function_of_a_script_is_a_number(serve):
    server = serve(ALLOW_EIO3=True)
    path = "/socket.io/?EIO=3&transport=polling&j=1;alert(2)//"
    headers = {"Host": "localhost", "Referer": "http://localhost/"}
    status, body = exchange(server.port, "GET", path, headers=headers)
    assert status == 200
    assert body.startswith('___eio[12]("')
