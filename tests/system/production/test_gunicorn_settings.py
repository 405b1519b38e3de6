"""Settings of gunicorn: each is kept, or named when gunicorn starts."""

import json
import os
import re
import signal

import pytest
import websocket
from gunicorn import config

from django_socketio.protocol.http.fields import Fields, HeadRefused
from django_socketio.server.gunicorn import settings as gunicorn_settings
from django_socketio.server.gunicorn.forwarding import Forwarding
from django_socketio.server.gunicorn.head_limits import head_limits, too_large
from django_socketio.server.gunicorn.worker import Worker
from tests.kit.clients import PollingClient, join
from tests.kit.http import HANDSHAKE, close_all, get, raw_request, response
from tests.kit.programs import Program
from tests.kit.servers import GUNICORN, Gunicorn
from tests.kit.waiting import wait_until


def ask(server, *fields, path="/environ/"):
    """Send a GET with header fields; return the status and the body, read as JSON if it is."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", ""])
    connection = raw_request(server.port, head.encode())
    status, body = response(connection)
    connection.close()
    return status, json.loads(body) if body.startswith("{") else body


@pytest.fixture(scope="module")
def below_a_path():
    """A gunicorn that has a SCRIPT_NAME, trusts nobody and refuses underscores."""
    server = Gunicorn(*UNTRUSTING, "--header-map", "refuse", SCRIPT_NAME="/a%20b/")
    yield server
    close_all()
    server.end()


@pytest.fixture(scope="module")
def dangerous():
    """A gunicorn that trusts nobody, and takes underscores and long fields."""
    long = ["--limit-request-field_size", "70000"]
    server = Gunicorn(*UNTRUSTING, "--header-map", "dangerous", *long)
    yield server
    close_all()
    server.end()


UNTRUSTING = ["--forwarded-allow-ips", "192.0.2.1"]


# SCRIPT_NAME


def test_script_name_is_taken_off_the_path(below_a_path):
    server = below_a_path
    status, environ = ask(server, path="/a%20b/environ/?x=1")
    assert status == 200
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/a%20b", "/environ/")
    assert (environ["path"], environ["QUERY_STRING"]) == ("/a%20b/environ/", "x=1")
    for path in ("/environ/", "/a%20bc/environ/", "/"):
        assert ask(server, path=path) == (500, "")
        server.wait_for(f"the path {path!r} is not below SCRIPT_NAME '/a%20b'")
    url = f"ws://127.0.0.1:{server.port}/a%20b/socket.io/?EIO=4&transport=websocket"
    socket = websocket.create_connection(url, timeout=10)
    assert socket.recv().startswith("0{")
    handshake = json.loads(get(server.port, f"/a%20b{HANDSHAKE}")[1][1:])
    assert handshake["upgrades"] == ["websocket"]
    session = f"/a%20b{HANDSHAKE}&sid={handshake['sid']}"
    assert get(server.port, session, "POST", b"40") == (200, "ok")
    assert get(server.port, session)[1].startswith("40{")
    socket.close()


# Proxies


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ([], "http"),
        (["X-Forwarded-Proto: https"], "https"),
        (["X-Forwarded-Proto: http"], "http"),
        (["X-Forwarded-Protocol: ssl", "X-Forwarded-Ssl: on"], "https"),
    ],
)
def test_a_trusted_proxy_says_the_scheme(shared, fields, scheme):
    assert ask(shared, *fields)[1]["scheme"] == scheme


@pytest.mark.parametrize(
    "fields",
    [
        ["X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"],
        ["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
    ],
)
def test_schemes_that_contradict_each_other_are_refused(shared, fields):
    assert ask(shared, *fields)[0] == 400
    shared.wait_for("X-FORWARDED-PROTO, X-FORWARDED-SSL contradict each other")


def test_fields_with_underscores_are_dropped_except_those_of_forwarders(shared):
    path = "/prefix/environ/"
    status, environ = ask(shared, "SCRIPT_NAME: /prefix", "X_Other: 1", "X-Kept: 2", path=path)
    assert (status, environ["SCRIPT_NAME"], environ["path"]) == (200, "/prefix", path)
    assert environ["HTTP_SCRIPT_NAME"] == "/prefix"
    assert environ["HTTP_X_KEPT"] == "2"
    assert "HTTP_X_OTHER" not in environ
    assert ask(shared, "SCRIPT_NAME: /other", path=path)[0] == 500


UNDERSCORES = ["SCRIPT_NAME: /environ", "Remote-User: a", "Remote_User: b"]


def test_nobody_else_says_anything(dangerous):
    environ = ask(dangerous, "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off")[1]
    assert environ["scheme"] == "http"
    environ = ask(dangerous, *UNDERSCORES)[1]
    assert (environ["HTTP_SCRIPT_NAME"], environ["HTTP_REMOTE_USER"]) == ("/environ", "a,b")
    assert environ["SCRIPT_NAME"] == ""


def test_underscores_of_others_are_refused(below_a_path):
    path = "/a%20b/environ/"
    environ = ask(below_a_path, "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off", path=path)[1]
    assert environ["scheme"] == "http"
    assert ask(below_a_path, *UNDERSCORES, path=path)[0] == 400
    below_a_path.wait_for("a header field with an underscore in its name: 'script_name'")


@pytest.mark.parametrize(
    ("allowed", "address", "scheme"),
    [
        ("127.0.0.1,::1", ("127.0.0.1", 1), "https"),
        ("127.0.0.1,::1", ("::1", 1, 0, 0), "https"),
        ("127.0.0.1,::1", ("::ffff:127.0.0.1", 1, 0, 0), "https"),
        ("127.0.0.1,::1", ("192.0.2.1", 1), None),
        ("192.0.2.0/24,fe80::/10", ("192.0.2.1", 1), "https"),
        ("192.0.2.0/24,fe80::/10", ("fe80::1%eth0", 1, 0, 2), "https"),
        ("192.0.2.0/24,fe80::/10", ("198.51.100.1", 1), None),
        ("*", ("198.51.100.1", 1), "https"),
        ("", ("127.0.0.1", 1), None),
        ("", "", "https"),  # a Unix socket
    ],
)
def test_trusted_addresses(allowed, address, scheme):
    cfg = config.Config()
    if "/" in allowed and not hasattr(cfg, "forwarded_allow_networks"):
        pytest.skip("gunicorn takes networks since version 25")
    cfg.set("forwarded_allow_ips", allowed)
    fields = Fields()
    fields.add("X-Forwarded-Proto", "https")
    assert Forwarding(cfg).read(fields, address, "/").scheme == scheme


def test_script_names_that_are_not_followed_by_a_slash_are_other_paths(monkeypatch):
    monkeypatch.setenv("SCRIPT_NAME", "/a")
    forwarding = Forwarding(config.Config())
    assert forwarding.read(Fields(), "", "/a?/b").path_info == ""
    assert forwarding.read(Fields(), "", "/a/%41%ff").path_info == "/A\xff"
    with pytest.raises(HeadRefused) as refused:
        forwarding.read(Fields(), "", "/ab")
    assert refused.value.status == 500


# Limits


def test_limits_of_the_head(gunicorn):
    limits = ["--limit-request-line", "40", "--limit-request-fields", "3"]
    server = gunicorn(*limits, "--limit-request-field_size", "30")
    assert ask(server, "Aaa: 1", "Bbb: 2")[0] == 200
    assert ask(server, "Aaa: 1", "Bbb: 2", "Ccc: 3")[0] == 431
    assert ask(server, f"Aaa: {'x' * 23}")[0] == 200  # and the line's end
    assert ask(server, f"Aaa: {'x' * 24}")[0] == 431
    assert ask(server, path=f"/environ/?{'x' * 17}")[0] == 200
    assert ask(server, path=f"/environ/?{'x' * 18}")[0] == 414
    server.wait_for("a request line of more than 40 bytes")
    server.wait_for("a request with more than 3 header fields")
    server.wait_for("a header field of more than 30 bytes")


def test_limits_of_gunicorn_hold_by_default(shared):
    assert ask(shared, f"Aaa: {'x' * 8_180}")[0] == 200
    assert ask(shared, f"Aaa: {'x' * 8_190}")[0] == 431
    assert ask(shared, path=f"/environ/?{'x' * 4_000}")[0] == 200
    assert ask(shared, path=f"/environ/?{'x' * 4_100}")[0] == 414


def test_all_header_fields_together_may_have_what_raised_limits_allow(dangerous):
    assert ask(dangerous, f"Aaa: {'x' * 69_990}")[0] == 200
    assert ask(dangerous, *[f"Aaa: {'x' * 60_000}"] * 5)[0] == 200
    assert ask(dangerous, f"Aaa: {'x' * 70_000}")[0] == 431


SIZES = [
    ((100, 8_190), 65_536),
    ((20, 1_000), 65_536),
    ((100, 0), 65_536),
    ((200, 8_190), 1_638_000),
    ((100, 65_536), 6_553_600),
    ((101, 10), 65_536),
    ((0, 8_190), 8_323_072),
    ((100, 1_000_000), 8_323_072),
]


@pytest.mark.parametrize(("limits", "size"), SIZES)
def test_limits_of_heads_that_cannot_be_kept_are_named(limits, size):
    cfg = config.Config()
    cfg.set("limit_request_fields", limits[0])
    cfg.set("limit_request_field_size", limits[1])
    assert head_limits(cfg).size == size
    problem = too_large(cfg) or ""
    assert ("8323072 bytes at most are read" in problem) is (size == 8_323_072)
    names = ("limit_request_fields", "limit_request_field_size")
    assert all(name in problem for name in names) or not problem


# Hooks

HOOKS = """
import os

def tell(worker, *words):
    os.write(1, (" ".join(map(str, [*words, worker.pid])) + "\\n").encode())

def pre_request(worker, req):
    kept = dict(req.headers)["HOST"]
    tell(worker, "before", req.method, req.path, req.version, kept, req.remote_addr[0])
    if req.path == "/refuse/":
        raise ValueError("refused by a hook")

def post_request(worker, req, environ, resp):
    tell(worker, "after", req.method, environ["PATH_INFO"], resp.status_code, resp.sent > 0)
    if req.path == "/fail/":
        raise ValueError("a hook that fails")
"""


NAMED = "keepalive = 5\nthreads = 2\nsendfile = True\nlimit_request_fields = 0\n"
"""Settings that gunicorn names when it starts."""


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    """Two workers with hooks and ``NAMED``; only one test sends them requests."""
    path = tmp_path_factory.mktemp("hooked") / "config.py"
    path.write_text(NAMED + HOOKS)
    server = Gunicorn("-c", str(path), workers=2)
    yield server
    close_all()
    server.end()


def test_hooks_are_called_once_for_each_request_and_may_fail(hooked):
    server = hooked
    assert ask(server)[0] == 200
    assert ask(server, path="/fail/")[0] == 500
    assert ask(server, path="/refuse/")[0] == 500
    assert response(raw_request(server.port, b"nonsense\r\n\r\n"))[0] == 400
    sockets = [join(server) for _ in range(3)]
    for number in range(10):  # most of them on a connection that another worker accepts
        polling = PollingClient(server.port)
        polling.send("40")
        assert polling.request("GET", polling.path)[1].startswith("40{"), number
    for socket in sockets:
        socket.close()
    assert get(server.port, HANDSHAKE, "POST", b"a body")[0] == 400
    assert get(server.port, HANDSHAKE, "OPTIONS")[0] == 204
    befores = server.wait_for(r"before (\w+) (\S+) \(1, 1\) \S+ 127.0.0.1 (\d+)", 38)
    afters = server.wait_for(r"after (\w+) (\S+) (\d+) (\w+) (\d+)", 38)
    assert sorted((one[1], one[2], one[3]) for one in befores) == sorted(
        (one[1], one[2], one[5]) for one in afters
    )
    statuses = [one[3] for one in afters]
    assert sorted(statuses) == [*["101"] * 3, *["200"] * 31, "204", "400", "500", "500"]
    server.wait_for("Exception in post_request hook")
    server.wait_for("refused by a hook")


# Settings that cannot be kept

KEPT = frozenset(
    re.findall(
        r"\w+",
        """
    config wsgi_app bind backlog workers worker_class worker_connections max_requests
    max_requests_jitter timeout graceful_timeout limit_request_line limit_request_fields
    limit_request_field_size reload reload_engine reload_extra_files spew check_config print_config
    preload_app reuse_port chdir daemon raw_env pidfile worker_tmp_dir user group umask initgroups
    tmp_upload_dir secure_scheme_headers forwarded_allow_ips forwarder_headers header_map
    accesslog disable_redirect_access_to_syslog access_log_format errorlog loglevel capture_output
    logger_class logconfig logconfig_dict logconfig_json syslog_addr syslog syslog_prefix
    syslog_facility enable_stdio_inheritance statsd_host dogstatsd_tags statsd_prefix
    enable_backlog_metric proc_name default_proc_name pythonpath paste on_starting on_reload
    when_ready pre_fork post_fork post_worker_init worker_int worker_abort pre_exec pre_request
    post_request child_exit worker_exit nworkers_changed on_exit ssl_context keyfile certfile
    ssl_version cert_reqs ca_certs ciphers raw_paste_global_conf control_socket control_socket_mode
    control_socket_disable
    """,
    )
)
"""Settings that gunicorn keeps around its workers, or this worker keeps."""

FOR_OTHERS = re.compile("asgi_|http2_|dirty_|on_dirty_|uwsgi_allow_ips|proxy_allow_ips")
"""Settings that only mean something with other settings, which are named."""


def test_every_setting_of_gunicorn_is_kept_or_named():
    known = {one.name for one in config.KNOWN_SETTINGS if not FOR_OTHERS.match(one.name)}
    named = {*gunicorn_settings.IMPOSSIBLE, *gunicorn_settings.WITHOUT_EFFECT}
    assert known - named - KEPT == set()
    assert named & KEPT == set()


def configured(**settings):
    cfg = config.Config()
    for name, value in settings.items():
        if name in cfg.settings:
            cfg.set(name, value)
    return cfg


def test_defaults_are_not_complained_of():
    assert list(gunicorn_settings.impossible(configured())) == []
    assert list(gunicorn_settings.without_effect(configured())) == []


def test_settings_that_cannot_be_kept_end_gunicorn(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("proxy_protocol = True\n")
    worker = ["-k", "django_socketio.gunicorn.Worker", "-b", "127.0.0.1:0"]
    run = Program([GUNICORN, *worker, "-c", path, "tests.system.production.wsgi"])
    assert run.wait() == 1
    assert "cannot be used with django_socketio.gunicorn.Worker: connections begin" in run.output
    assert "Traceback" not in run.output
    run.end()


@pytest.mark.skipif(
    "http_protocols" not in config.Config().settings, reason="this gunicorn has no HTTP/2"
)
def test_http_2_is_refused():
    with pytest.raises(RuntimeError, match=r"http_protocols = .* cannot be used"):
        Worker.check_config(configured(http_protocols="h2,h1"), None)


def test_settings_without_effect_and_limits_that_are_too_large_are_named_once(hooked):
    server = hooked
    server.wait_for(r"\[WARNING\] keepalive = 5 has no effect with .*: connections are closed")
    server.wait_for(r"\[WARNING\] threads = 2 has no effect")
    server.wait_for(r"\[WARNING\] sendfile = True has no effect")
    server.wait_for("limit_request_fields = 0 and limit_request_field_size = 8190 allow")
    assert server.output.count("has no effect") == 3
    assert server.output.count("limit_request_fields = 0 and") == 1


def test_settings_that_cannot_be_read_are_shown_until_they_are_mended(gunicorn, tmp_path):
    settings = tmp_path / "ours.py"
    right = "from tests.system.production.settings import *\n"
    settings.write_text(right)
    site = {"DJANGO_SETTINGS_MODULE": "ours", "PYTHONPATH": f"{tmp_path}:."}
    server = gunicorn("--reload", "--reload-engine", "poll", **site)

    def write(code, told, count):
        """Write until the reloader, which may not have looked at the file before, sees it."""
        later = settings.stat().st_mtime + 1
        settings.write_text(code)
        os.utime(settings, (later, later))
        return len(re.findall(told, server.output)) == count

    wait_until(lambda: write("def broken(:\n", "Worker reloading", 1))
    server.wait_for(r"No sockets can connect until the code is mended: .* \(ours.py, line 1\)")
    status, page = get(server.port, "/seen/")
    assert (status, "invalid syntax" in page) == (500, True)
    wait_until(lambda: write(right, "Worker reloading", 2))
    server.wait_for("Worker ready", 2)
    join(server)
    assert server.output.count("Booting worker") == 3


def test_changed_code_replaces_the_worker_and_ends_sockets_in_order(gunicorn, tmp_path):
    watched = tmp_path / "watched.py"
    watched.touch()
    reload = ["--reload", "--reload-engine", "poll", "--reload-extra-file", str(watched)]
    server = gunicorn(*reload)
    (first,) = server.pids
    socket = join(server)

    def change():
        later = watched.stat().st_mtime + 1
        os.utime(watched, (later, later))
        return "Worker reloading" in server.output

    wait_until(change)  # the reloader may not have looked at the file before
    assert socket.is_closed()
    server.wait_for(f"finished: {first}")
    server.wait_for("Worker ready", 2)
    assert ask(server)[0] == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
