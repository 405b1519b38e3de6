"""The doctor, behind an nginx with a server for each thing that can be wrong."""

import json
import re
import time
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_socketio.diagnostics import address, streams
from django_socketio.events import on_connect
from tests.kit.documented import surrounded
from tests.kit.http import close_all
from tests.kit.live import LiveServer
from tests.kit.programs import free_port
from tests.kit.servers import Nginx

PING_INTERVAL = 0.8

SETTINGS = {
    "SOCKETIO_PING_INTERVAL": PING_INTERVAL,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
}

UPGRADES = """
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
"""
KEEPS_HOST = "proxy_set_header Host $http_host;"
TELLS_SCHEME = "proxy_set_header X-Forwarded-Proto $scheme;"
GOOD = f"{UPGRADES}{KEEPS_HOST}{TELLS_SCHEME}"
CACHES = "proxy_cache all; proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control Expires;"
SETS_COOKIE = 'add_header Set-Cookie "server=$upstream_addr; Path=/; HttpOnly";'
IGNORES = "proxy_ignore_headers X-Accel-Buffering;"

PROXIES = {
    "good": f"{GOOD} proxy_pass http://site;",
    "good over TLS": f"{GOOD} proxy_pass http://site;",
    "good over TLS and HTTP/2": f"{GOOD} proxy_pass http://site;",
    "good by a cookie": f"{GOOD}{SETS_COOKIE} proxy_pass http://$chosen;",
    "does not upgrade": f"{KEEPS_HOST}{TELLS_SCHEME} proxy_pass http://site;",
    "gives up": f"{GOOD} proxy_read_timeout 300ms; proxy_pass http://site;",
    "hides TLS": f"{UPGRADES}{KEEPS_HOST} proxy_pass http://site;",
    "changes Host": f"{UPGRADES}{TELLS_SCHEME} proxy_pass http://$upstream_address;",
    "makes Host up": f"{UPGRADES} proxy_set_header Host inner.test; proxy_pass http://site;",
    "drops the port": f"{UPGRADES} proxy_set_header Host $host; proxy_pass http://site;",
    "is not sticky": f"{GOOD} proxy_pass http://two_sites;",
    "has no server": f"{GOOD} proxy_pass http://127.0.0.1:1;",
    "has no location": "return 404;",
    "redirects": "return 301 https://127.0.0.1$request_uri;",
    "has another application": 'return 200 "hello";',
    "caches": f"{GOOD}{CACHES} proxy_pass http://site;",
    "buffers": f"{GOOD}{IGNORES} proxy_pass http://site;",
}


@pytest.fixture(scope="module")
def sites():
    """Two servers of the same site, each with sessions of its own."""
    with override_settings(**SETTINGS):
        servers = [LiveServer(), LiveServer()]
        yield servers
        close_all()
        for server in servers:
            server.stop()


@pytest.fixture(scope="module")
def proxies(sites, certificate, tmp_path_factory):
    """nginx with a server for each of ``PROXIES``; returns their addresses by name."""
    folder = tmp_path_factory.mktemp("nginx")
    key, certificate = certificate
    first, second = (f"127.0.0.1:{server.port}" for server in sites)
    tls = f" ssl_certificate {certificate}; ssl_certificate_key {key}"
    blocks, addresses = [], {}
    for name, rules in PROXIES.items():
        port, has_tls = free_port(), "TLS" in name
        text = rules.replace("$upstream_address", first)
        protocols = "ssl http2;" if "HTTP/2" in name else "ssl;"
        listen = f"127.0.0.1:{port} {protocols + tls if has_tls else ''}"
        blocks.append(f"server {{ listen {listen}; location / {{ {text} }} }}")
        addresses[name] = f"http{'s' if has_tls else ''}://127.0.0.1:{port}"
    configuration = f"""
        map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
        map $cookie_server $chosen {{ default $cookie_server; '' two_sites; }}
        proxy_cache_path {folder}/cache keys_zone=all:1m;
        upstream site {{ server {first}; }}
        upstream two_sites {{ server {first}; server {second}; }}
        {" ".join(blocks)}
    """
    nginx = Nginx(folder, surrounded(folder, configuration), port)
    yield addresses
    nginx.end()


@pytest.fixture(autouse=True)
def _trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    monkeypatch.setattr(streams, "FIRST", 20.0)


def examine(*arguments):
    """Run the doctor; return its findings by step, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("socketio_doctor", *arguments, "--json", stdout=out)
    except SystemExit as exit:
        code = exit.code
    by_step = {}
    for finding in json.loads(out.getvalue()):
        by_step.setdefault(finding["step"], []).append(finding)
    return by_step, code


def levels(findings, *steps):
    return [one["level"] for step in steps for one in findings.get(step, [])]


@pytest.mark.parametrize(
    "name", ["good", "good over TLS", "good over TLS and HTTP/2", "good by a cookie"]
)
def test_nothing_is_wrong_behind_a_good_proxy(proxies, name):
    findings, code = examine(proxies[name])
    assert code == 0
    assert levels(findings, "address", "polling", "websocket", "upgrade", "event stream") == [
        *["ok"] * 8
    ]
    waited = findings["polling"][-1]["text"], findings["websocket"][-1]["text"]
    assert all("until the next ping" in text for text in waited)
    if "TLS" in name:
        assert levels(findings, "tls") == ["warning"]  # the certificate ends today
        has_http2 = "HTTP/2" in name
        assert levels(findings, "http2") == ["ok" if has_http2 else "note"]
        assert ("http2 on" in findings["http2"][0]["remedy"]) is not has_http2


@pytest.mark.parametrize(
    ("name", "step", "text", "remedy"),
    [
        ("does not upgrade", "websocket", "does not pass the upgrade on", "proxy_http_version 1.1"),
        ("hides TLS", "polling", "does not tell that they use https", "X-Forwarded-Proto $scheme"),
        ("changes Host", "polling", "the proxy changes Host", "Host $http_host"),
        ("makes Host up", "polling", "one that ALLOWED_HOSTS lacks", "Host $http_host"),
        ("drops the port", "polling", "drops the port from Host", "Host $http_host"),
        ("is not sticky", "polling", "does not have the session", "hash $remote_addr consistent"),
        ("has no server", "polling", "nginx/", "proxy_pass"),
        ("has no location", "polling", "leads to nothing (404)", "a location for this path"),
        ("redirects", "polling", "is redirected to https://127.0.0.1/", "that address"),
        ("redirects", "websocket", "is redirected to https://127.0.0.1/", "that address"),
        ("has another application", "polling", "something else than Socket.IO: hello", "path"),
        ("caches", "polling", "keeps answers in its cache", "Exclude /socket.io/"),
        ("buffers", "event stream", "a proxy holds it back", "proxy_buffering off"),
    ],
)
def test_what_a_proxy_does_wrong_is_named(proxies, monkeypatch, name, step, text, remedy):
    monkeypatch.setattr(streams, "TIMEOUT", 1.0)
    findings, code = examine(proxies[name], "--quick")
    (wrong,) = [one for one in findings[step] if one["level"] == "error"]
    assert text in wrong["text"]
    assert remedy in wrong["remedy"]
    assert code == 1


def test_a_proxy_that_does_not_wait_for_the_ping_is_named(proxies):
    findings, code = examine(proxies["gives up"])
    for step in ("polling", "websocket", "event stream"):
        assert re.search(r"The connection ends after \d+\.\d", findings[step][-1]["text"])
        assert "proxy_read_timeout" in findings[step][-1]["remedy"]
    assert code == 1


def test_what_works_behind_a_proxy_that_does_not_upgrade_is_told_as_well(proxies):
    findings, _ = examine(proxies["does not upgrade"], "--quick")
    assert levels(findings, "polling") == ["ok", "ok"]
    assert levels(findings, "event stream") == ["ok"]


def test_a_page_of_another_origin_is_told_the_setting(proxies):
    findings, _ = examine(proxies["good"], "--quick", "--origin", "https://pages.test")
    (wrong,) = findings["polling"]
    assert wrong["text"] == "Pages of https://pages.test are refused."
    assert wrong["remedy"].startswith('SOCKETIO_ALLOWED_ORIGINS = ["https://pages.test"]')


def test_a_certificate_that_is_not_trusted_is_told(proxies, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    findings, code = examine(proxies["good over TLS"], "--quick")
    (wrong,) = findings["tls"]
    assert "Browsers do not accept the certificate: self" in wrong["text"]
    assert code == 1
    plain = proxies["good"].replace("http:", "https:")
    assert "does not speak TLS" in examine(plain, "--quick")[0]["tls"][0]["text"]


def test_an_address_where_nobody_listens_is_told():
    findings, code = examine(f"http://127.0.0.1:{free_port()}")
    (wrong,) = findings["address"]
    assert "No connection to 127.0.0.1" in wrong["text"]
    assert code == 1


def test_a_client_that_on_connect_refuses_is_no_error(proxies):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied("members only")

    findings, code = examine(proxies["good"], "--quick")
    assert code == 0
    assert "members only" in findings["websocket"][0]["text"]
    assert "--cookie" in findings["websocket"][0]["remedy"]


def test_without_an_address_only_the_site_is_examined():
    findings, code = examine()
    assert code == 0
    assert set(findings) == {"settings", "handlers", "limits", "relay", "address"}
    assert levels(findings, "address", "relay") == ["note", "note"]


def test_the_findings_of_checks_are_told_with_their_identifiers():
    with override_settings(SOCKETIO_PING_INTERVAL="soon"):
        findings, code = examine()
    texts = [one["text"] for one in findings["settings"]]
    assert any("(django_socketio.E001)" in text for text in texts)
    assert code == 1


def test_people_get_marks_and_a_sum():
    out = StringIO()
    call_command("socketio_doctor", stdout=out, no_color=True)
    lines = out.getvalue().splitlines()
    assert any(line.startswith("· relay: There is no relay") for line in lines)
    assert any(line.startswith("    → Set SOCKETIO_RELAY_URL") for line in lines)
    assert lines[-1].startswith("0 errors, ")
    coloured = StringIO()
    call_command("socketio_doctor", stdout=coloured, force_color=True)
    assert "\x1b[" in coloured.getvalue()


@pytest.mark.parametrize(
    "url",
    ["ftp://chat.example.com", "http://", "https:///path", "http://a:port", "http://a:99999"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(CommandError, match=r"expected a URL such as https://chat\.example\.com"):
        examine(url)


def test_a_clock_that_differs_is_told(proxies, monkeypatch):
    an_hour_later = SimpleNamespace(time=lambda: time.time() + 3650)
    monkeypatch.setattr(address, "time", an_hour_later)
    (finding,) = examine(proxies["good"], "--quick")[0]["clock"]
    assert finding["level"] == "warning"
    assert "The clocks of the server and of this host differ by 36" in finding["text"]
    assert "NTP" in finding["remedy"]
