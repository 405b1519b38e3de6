"""Settings, system checks and the template tag."""

import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import RequestFactory, override_settings
from django.utils.functional import SimpleLazyObject, empty

from django_socketio import conf, sign_channel
from django_socketio.checks import check_settings
from django_socketio.checks.patterns import check_patterns
from django_socketio.exceptions import ChannelError
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from django_socketio.server import retentions
from django_socketio.server.hijack import KEY
from django_socketio.transports.limits import Limits
from tests.kit.logs import errors_of


def test_every_limit_is_a_setting_with_the_same_default():
    assert conf.limits() == Limits()
    assert {name.upper() for name in Limits.__slots__} <= set(conf.SETTINGS)


def test_a_setting_is_read_late():
    with override_settings(SOCKETIO_PING_INTERVAL=0.5):
        assert conf.limits().ping_interval == 0.5
    assert conf.limits().ping_interval == 25


BAD_VALUES = {
    "HOST": 7,
    "PORT": 70_000,
    "MESSAGE_LOG_FORMAT": 1,
    "ALLOWED_ORIGINS": "https://example.com",
    "PING_INTERVAL": 0,
    "PING_TIMEOUT": "20",
    "REQUEST_TIMEOUT": 0,
    "SEND_TIMEOUT": 0,
    "CONNECT_TIMEOUT": float("inf"),
    "MAX_MESSAGE_SIZE": True,
    "WORKERS": 0,
    "LOGIN_CHECK_INTERVAL": -1,
    "DEFAULT_DENY": "yes",
    "CLIENT_MESSAGE_RATE": 0,
    "RATE_BURST": None,
    "COMPRESSION_THRESHOLD": 0,
    "HISTORY": ["^room-"],
    "RECOVERY_SECONDS": -1,
}


GOOD_HISTORY = {
    "^room-": {"size": 100, "seconds": 3600, "replay": 20},
    "user=": {"size": 1, "seconds": 0.5},
}


def test_a_history_can_be_set():
    with override_settings(SOCKETIO_HISTORY=GOOD_HISTORY):
        assert check_settings() == []
        found = retentions.from_settings()
    assert found.of(channel_topic("/any", "room-1"))[:3] == (100, 1_000_000, 3600)
    assert found.of(Topic(TopicKind.USER, "/", "7"))[:3] == (1, 1_000_000, 0.5)
    assert found.of(channel_topic("/", "user=")) == found.default
    assert found.away == 30 + 25 + 20


RULE = {"size": 100, "seconds": 3600}


def test_a_pattern_of_a_history_that_takes_long_is_reported():
    with override_settings(SOCKETIO_HISTORY={"^(a+)+$": RULE, "user=": RULE, "^room-": RULE}):
        (warning,) = check_patterns()
    assert warning.id == "django_socketio.W003"
    assert "The pattern '^(a+)+$' of SOCKETIO_HISTORY takes exponential time" in warning.msg


BAD_HISTORIES = [
    ({"[": RULE}, "'[' is no regular expression"),
    ({7: RULE}, "7 is no regular expression"),
    ({"a": 100}, '\'a\' needs a dict with "size" and "seconds", not 100'),
    ({"a": {"size": 1}}, '\'a\' needs a dict with "size" and "seconds"'),
    ({"a": RULE | {"lenght": 1}}, "'a' has the unknown key 'lenght'; known are size, seconds"),
    ({"a": RULE | {"size": 0}}, "'size' of 'a' must be a whole number from 1 to 10000, not 0"),
    ({"a": RULE | {"size": 1e9}}, "'size' of 'a' must be a whole number from 1 to 10000, not 1"),
    ({"a": RULE | {"seconds": "x"}}, "'seconds' of 'a' must be a positive number"),
    ({"a": RULE | {"seconds": float("inf")}}, "'seconds' of 'a' must be a positive number"),
    (
        {"a": RULE | {"replay": -1}},
        "'replay' of 'a' must be a whole number, at most the size, not -1",
    ),
    ({"a": RULE | {"replay": 101}}, "'replay' of 'a' must not be more than 'size', 100"),
]


@pytest.mark.parametrize(("value", "fault"), BAD_HISTORIES)
def test_each_fault_of_a_history_is_named(value, fault):
    with override_settings(SOCKETIO_HISTORY=value):
        (error,) = check_settings()
        assert error.msg.startswith("SOCKETIO_HISTORY must be a dict such as ")
        assert fault in error.msg


@pytest.mark.parametrize("name", ["TOKEN_SECONDS", "TOKEN_RENEWAL_SECONDS"])
def test_a_time_of_tokens_that_is_too_long_is_an_error_with_the_maximum(name):
    ten_years = 10 * 365 * 86_400
    with override_settings(**{f"SOCKETIO_{name}": ten_years}):
        assert check_settings() == []
    with override_settings(**{f"SOCKETIO_{name}": ten_years + 1}):
        (error,) = check_settings()
        assert error.id == "django_socketio.E001"
        assert "at most 315360000 (ten years), not 315360001" in error.msg
        with pytest.raises(ImproperlyConfigured, match=f"SOCKETIO_{name} must be"):
            conf.get(name)


def test_a_token_is_written_or_the_error_names_the_setting():
    with override_settings(SOCKETIO_TOKEN_SECONDS=10 * 365 * 86_400):
        assert sign_channel("a", anyone=True, since=None).channel == "a"
    with (
        override_settings(SOCKETIO_TOKEN_SECONDS=10 * 365 * 86_400 + 1),
        pytest.raises(ImproperlyConfigured, match="SOCKETIO_TOKEN_SECONDS must be"),
    ):
        sign_channel("a", anyone=True, since=None)


@pytest.mark.parametrize(("name", "value"), BAD_VALUES.items())
def test_an_ill_typed_value_is_reported(name, value):
    with override_settings(**{f"SOCKETIO_{name}": value}):
        (error,) = check_settings()
        assert error.id == "django_socketio.E001"
        assert f"SOCKETIO_{name} must be " in error.msg
        assert repr(value) in error.msg
        with pytest.raises(ImproperlyConfigured, match=f"SOCKETIO_{name}"):
            conf.get(name)


@pytest.mark.parametrize("name", conf.SETTINGS)
def test_an_error_names_the_setting_the_values_it_takes_and_the_value(name):
    value = object()
    shown = "a value of type object" if name == "RELAY_URL" else repr(value)
    (error,) = errors_of(**{name: value})
    assert re.fullmatch(rf"SOCKETIO_{name} must be .+, not {re.escape(shown)}\.", error.msg)


def test_an_error_says_what_a_special_value_means():
    (error,) = errors_of(BLOCKED_AFTER="x")
    expected = "a number of seconds (0 disables the watchdog)"
    assert error.msg == f"SOCKETIO_BLOCKED_AFTER must be {expected}, not 'x'."


def test_a_log_format_that_cannot_be_used_is_reported():
    with override_settings(SOCKETIO_MESSAGE_LOG_FORMAT="100% %(MESSAGE)s"):
        assert [error.id for error in check_settings()] == ["django_socketio.E001"]


def test_an_unknown_name_is_reported_with_the_one_that_was_meant():
    with override_settings(SOCKETIO_PING_INTERVALL=3):
        (warning,) = check_settings()
    assert warning.id == "django_socketio.W001"
    assert warning.msg == "django-socketio has no setting SOCKETIO_PING_INTERVALL."
    assert warning.hint == "Did you mean SOCKETIO_PING_INTERVAL?"


def test_good_settings_are_not_reported():
    with override_settings(SOCKETIO_PORT=0, SOCKETIO_MESSAGE_LOG_FORMAT=None):
        assert check_settings() == []


def render(request=None, tag="socketio", **context):
    template = Template(f"{{% load socketio_tags %}}{{% {tag} %}}")
    return template.render(Context({"request": request, **context})).strip()


SCRIPT = '<script src="/static/django_socketio/socketio.js" data-path="/socket.io/"'


def test_the_tag_emits_the_script():
    assert render() == f"{SCRIPT}></script>"


@override_settings(DEBUG=True)
def test_the_tag_tells_the_port_of_the_sockets_if_it_is_another():
    request = RequestFactory().get("/", SERVER_PORT="8000")
    assert render(request) == f'{SCRIPT} data-port="9000" data-explains></script>'


@pytest.mark.parametrize(
    "environ", [{"SERVER_PORT": "9000"}, {"SERVER_PORT": "8000", KEY: object()}]
)
@override_settings(DEBUG=True)
def test_the_tag_tells_no_port_where_the_page_comes_from_the_same_server(environ):
    assert render(RequestFactory().get("/", **environ)) == f"{SCRIPT}></script>"


def test_behind_a_proxy_only_a_port_that_was_set_is_told():
    request = RequestFactory().get("/", SERVER_PORT="80")
    assert render(request) == f"{SCRIPT}></script>"
    with override_settings(SOCKETIO_PORT=9001):
        assert 'data-port="9001"></script>' in render(request)


@override_settings(DEBUG=True)
def test_the_tag_of_the_address_of_the_sockets():
    for name, expected in (("testserver", "//testserver:9000"), ("[::1]", "//[::1]:9000")):
        host = f"{name}:8000"
        request = RequestFactory().get("/", SERVER_PORT="8000", HTTP_HOST=host)
        assert render(request, tag="socketio_url") == f"{expected}/socket.io/"
    same = RequestFactory().get("/", SERVER_PORT="9000")
    assert render(same, tag="socketio_url") == render(tag="socketio_url") == "/socket.io/"


def test_the_tag_respects_the_nonce_of_a_content_security_policy():
    request = RequestFactory().get("/")
    request.csp_nonce = "n0nce"
    assert render(request) == f'{SCRIPT} nonce="n0nce"></script>'
    assert 'nonce="other"' in render(csp_nonce="other")


class LazyNonce(SimpleLazyObject):
    """A nonce of Django 6 or django-csp 4: it is false until it has been written."""

    def __bool__(self):
        return self._wrapped is not empty


@pytest.mark.parametrize("is_in_context", [True, False])
@pytest.mark.parametrize("tag", ["socketio", "socketio live=True"])
def test_the_tag_has_a_lazy_nonce_made(tag, is_in_context):
    request, nonce = RequestFactory().get("/"), LazyNonce(lambda: "n0nce")
    if not is_in_context:
        request.csp_nonce = nonce
    context = {"csp_nonce": nonce} if is_in_context else {}
    scripts = render(request, tag, **context).splitlines()
    assert all(script.endswith(' nonce="n0nce"></script>') for script in scripts)
    assert nonce  # now the middleware writes the header


LIVE = '<script src="/static/django_socketio/live.js" defer'


def test_the_tag_emits_the_script_of_live_pages():
    assert render(tag="socketio live=True") == f"{SCRIPT}></script>\n{LIVE}></script>"
    expected = f'{LIVE} data-namespace="/shop" nonce="n0nce"></script>'
    tag = "socketio live=True namespace='/shop'"
    assert render(tag=tag, csp_nonce="n0nce").splitlines()[1] == expected
    with pytest.raises(TypeError, match="add live=True"):
        render(tag="socketio namespace='/shop'")


class Token(str):
    channel = "room-1"


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("'room-1'", 'data-socketio-live="room-1"'),
        ("'room-' number", 'data-socketio-live="room-7"'),
        ("'a\"b<'", 'data-socketio-live="a&quot;b&lt;"'),
        ("token", 'data-socketio-live="room-1" data-socketio-token="signed:room-1"'),
        (
            "'r' url=url lazy=True scripts=True",
            'data-socketio-live="r" data-socketio-url="/orders/?a=1&amp;b=2" '
            'data-socketio-lazy="True" data-socketio-scripts="True"',
        ),
        ("'r' lazy=False", 'data-socketio-live="r"'),
    ],
)
def test_the_tag_of_an_element_on_a_channel(tag, expected):
    token = Token("signed:room-1")
    assert (
        render(tag=f"socketio_live {tag}", number=7, token=token, url="/orders/?a=1&b=2")
        == expected
    )


@pytest.mark.parametrize("tag", ["missing", ""])
def test_the_tag_refuses_an_element_without_a_channel(tag):
    with pytest.raises(ChannelError, match="1 to 200 characters"):
        render(tag=f"socketio_live {tag}")
