"""What a relay's URL says, and what no URL can say."""

import inspect
import itertools
import ssl

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from django_socketio import conf
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.options import UNUSABLE, USABLE
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.redis.url import RelayURL
from django_socketio.relay.topics import channel_topic


@pytest.mark.parametrize(
    ("url", "hosts", "database"),
    [
        ("redis://", (("localhost", 6379),), 0),
        ("redis://:1", (("localhost", 1),), 0),
        ("redis://one/3", (("one", 6379),), 3),
        ("redis://one:7000/", (("one", 7000),), 0),
        ("rediss://[::1]:7/12?db=12", (("::1", 7),), 12),
        ("redis://[::1]", (("::1", 6379),), 0),
        ("redis://one?db=4", (("one", 6379),), 4),
        ("unix:///run/r%20s.sock?db=5", (), 5),
        ("redis+sentinel://one,two:7000/site", (("one", 26379), ("two", 7000)), 0),
        ("redis+sentinel://one/site/6", (("one", 26379),), 6),
        ("redis+sentinel://one/site?db=7", (("one", 26379),), 7),
        ("rediss+sentinel://one/site/8?ssl_ca_certs=/ca", (("one", 26379),), 8),
        ("redis+cluster://one,two:7000,[::1]:7001,[::2]/0", None, 0),
    ],
)
def test_a_url_names_hosts_and_a_database(url, hosts, database):
    parsed = RelayURL.parse(url)
    of_cluster = (("one", 6379), ("two", 7000), ("::1", 7001), ("::2", 6379))
    assert (parsed.hosts, parsed.database) == (of_cluster if hosts is None else hosts, database)


def test_a_cluster_url_says_how_to_log_in_at_all_nodes():
    url = RelayURL.parse("rediss+cluster://me:p%40ss@one/0?ssl_cert_reqs=none")
    node = url.of_node("::1", 7001)
    assert (node.scheme, node.hosts, node.database) == ("rediss", (("::1", 7001),), 0)
    assert node.options == {"username": "me", "password": "p@ss", "ssl_cert_reqs": "none"}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://me:secret@one/3?client_name=x", "Redis at one:6379/3"),
        ("redis://one?db=3&password=secret", "Redis at one:6379/3"),
        ("unix://:secret@/run/redis.sock", "Redis at /run/redis.sock"),
        ("unix:///run/redis.sock?db=2&password=secret", "Redis at /run/redis.sock?db=2"),
        (
            "redis+sentinel://me:secret@one,two:7/site/1?sentinel_password=secret",
            "Redis at one:26379,two:7/site/1",
        ),
        ("rediss+cluster://me:secret@[::1]", "Redis Cluster at [::1]:6379"),
    ],
)
def test_a_relay_names_itself_with_its_database_and_without_its_password(url, name):
    assert str(RedisRelay(Options(url))) == name


VALUES = {
    "db": ("5", None),
    "username": ("me", "me"),
    "password": ("a%20b", "a b"),
    "sentinel_username": ("me", None),
    "sentinel_password": ("secret", None),
    "client_name": ("chat", "chat"),
    "max_connections": ("3", 3),
    "health_check_interval": ("0", 0),
    "protocol": ("2", 2),
    "socket_read_size": ("1024", 1024),
    "socket_keepalive": ("False", False),
    "ssl_keyfile": ("/key", "/key"),
    "ssl_certfile": ("/certificate", "/certificate"),
    "ssl_password": ("secret", "secret"),
    "ssl_ca_certs": ("/ca", "/ca"),
    "ssl_ca_path": ("/cas", "/cas"),
    "ssl_ca_data": ("pem", "pem"),
    "ssl_ciphers": ("HIGH", "HIGH"),
    "ssl_check_hostname": ("no", False),
    "ssl_cert_reqs": ("optional", "optional"),
    "ssl_min_version": ("772", ssl.TLSVersion.TLSv1_3),
    "ssl_include_verify_flags": (
        "VERIFY_X509_STRICT,VERIFY_X509_PARTIAL_CHAIN",
        [ssl.VerifyFlags.VERIFY_X509_STRICT, ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN],
    ),
    "ssl_exclude_verify_flags": (
        "[VERIFY_X509_STRICT]",
        [ssl.VerifyFlags.VERIFY_X509_STRICT],
    ),
}


@pytest.mark.parametrize("name", USABLE)
def test_a_usable_option_is_read(name):
    given, expected = VALUES[name]
    scheme = (USABLE[name].schemes or ("redis",))[0]
    url = RelayURL.parse(f"{scheme}://host/{'site' if 'sentinel' in scheme else ''}?{name}={given}")
    assert url.options == ({} if expected is None else {name: expected})
    assert url.database == (5 if name == "db" else 0)
    if name.startswith("sentinel_"):
        assert url.sentinel_options == {name.removeprefix("sentinel_"): given}


KINDS = (redis.SSLConnection, redis.UnixDomainSocketConnection, redis.BlockingConnectionPool)


def options_of_redis_py():
    """Return all that redis-py's ``from_url`` hands on to a connection or a pool."""
    names = set()
    for kind in KINDS:
        for base in kind.__mro__[:-1]:
            names |= set(inspect.signature(base.__init__).parameters)
    return sorted(names - {"self", "args", "kwargs", "connection_kwargs"})


REFUSED = sorted({*UNUSABLE, *options_of_redis_py(), "nonsense"} - {*USABLE})


def test_redis_py_has_options_to_decide_about():
    assert {"socket_timeout", "ssl_ca_certs", "path", "queue_class"} < {*options_of_redis_py()}


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(scheme, name):
    with pytest.raises(ValueError, match=f"cannot have the option '{name}'"):
        RelayURL.parse(f"{scheme}:///1?{name}=1")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense://", "scheme must be one of redis, rediss, unix"),
        ("redis:one", "scheme must be one of"),
        ("redis://one,two", "it must name one host"),
        ("redis://one:port", "hosts must be host:port, with"),
        ("redis://one:0", "a port from 1 to 65535"),
        ("redis://one:65536", "a port from 1 to 65535"),
        ("redis://one/two", "its path must be the number of a database"),
        ("redis://one/1/2", "its path must be the number"),
        ("redis://one/-1", "its path must be the number"),
        ("redis://one/1?db=2", "two databases, 1 and 2"),
        ("redis://one/0?db=2", "two databases, 0 and 2"),
        ("redis://one?db=x", "'db' must be the number of a database, not 'x'"),
        ("redis://one?db=1&db=1", "it has 'db' twice"),
        ("redis://:a@one?password=b", "it has 'password' twice"),
        ("redis://one?client_name=", "'client_name' must be printable ASCII"),
        ("redis://one?client_name", "'client_name' must be printable ASCII"),
        ("redis://one?client_name=a%20b", "without spaces, not 'a b'"),
        ("redis://one?protocol=3", r"'protocol' must be 2 \(.*RESP3\), not '3'"),
        ("redis://one?max_connections=0", "'max_connections' must be .*, not '0'"),
        ("redis://one?health_check_interval=1.5", "'health_check_interval' must be .*, not '1.5'"),
        ("redis://one?socket_keepalive=banana", "must be true or false, not 'banana'"),
        ("redis://one?ssl_ca_certs=/ca", "redis:// cannot have the option 'ssl_ca_certs'"),
        ("rediss://one?ssl_cert_reqs=maybe", "none, optional or required, not 'maybe'"),
        ("rediss://one?ssl_min_version=1", "ssl.TLSVersion, .*, not '1'"),
        ("rediss://one?ssl_include_verify_flags=X", "ssl.VerifyFlags, .*, not 'X'"),
        ("unix://run/redis.sock", "begin with a slash, as in unix:///run/redis.sock"),
        ("unix://", "must name the socket"),
        (
            "unix:///redis.sock?socket_keepalive=yes",
            "cannot have the option 'socket_keepalive'",
        ),
        ("redis+sentinel://host:1", "host:port/master"),
        ("rediss+sentinel://host:1", "rediss\\+sentinel://host:port,host:port/master"),
        ("redis+sentinel:///master", "hosts must be host:port"),
        ("redis+sentinel://one/site/x", "its path must be the number of a database"),
        ("redis+sentinel://one/site?ssl_ca_certs=/ca", "cannot have the option 'ssl_ca_certs'"),
        ("redis+cluster://host:1/3", "database 0 only, not 3"),
        ("redis+cluster://host:1?db=2", "database 0 only, not 2"),
        ("redis+cluster://", "hosts must be host:port"),
        ("redis+cluster://host:1,", "hosts must be host:port"),
        ("rediss+cluster://host:six", "hosts must be host:port"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url, told):
    with pytest.raises(ValueError, match=told):
        RedisRelay(Options(url))


SECRETS = [
    "redis://:se/cret@one",
    "redis://:se?cret@one",
    "redis://:se#cret@one",
    "redis://:se?cr=et@one",
    "redis://:cret@one:port",
    "redis://:cret@one?protocol=3",
    "redis://one?password=cret&password=cret",
    "redis://:cret@one\u2100two",
    "redis://:cret@[one",
]


@pytest.mark.parametrize("url", SECRETS)
def test_no_password_is_told(url):
    with override_settings(SOCKETIO_RELAY_URL=url), pytest.raises(ImproperlyConfigured) as caught:
        conf.get("RELAY_URL")
    assert "cret" not in str(caught.value)
    assert str(caught.value).startswith("SOCKETIO_RELAY_URL cannot be used: ")


@pytest.mark.parametrize("name", ["protocol", "socket_timeout", "retry_on_timeout", "nonsense"])
def test_check_tells_of_an_option_that_cannot_be_used(name):
    with (
        override_settings(SOCKETIO_RELAY_URL=f"redis://localhost/1?{name}=3"),
        pytest.raises(SystemCheckError) as caught,
    ):
        call_command("check")
    assert "(django_socketio.E001) SOCKETIO_RELAY_URL cannot be used: " in str(caught.value)
    assert repr(name) in str(caught.value)


def test_a_server_does_not_start_with_an_option_that_cannot_be_used(serve):
    with pytest.raises(ImproperlyConfigured, match="'protocol' must be 2"):
        serve(RELAY_URL="redis://localhost/1?protocol=3")


# Names in Redis


def test_no_two_sites_share_a_name():
    prefixes = ["a", "a:", "a1", "a:1", "a1:", "1", "a/1"]
    topics = [channel_topic("/", name) for name in ("x", "x}", "x}1", "x}1}", "x}:{y")]
    sites = list(itertools.product(prefixes, (0, 1, 2, 11, 12)))
    names = [Keyspace(*site).channel(topic) for site in sites for topic in topics]
    assert len(names) == len({*names})


@pytest.mark.parametrize("database", [0, 1, 12])
@pytest.mark.parametrize(
    "topic", ["channel,/,x", "channel,/,x}1", "self,,ab-7", "everyone,/", "control,,logins"]
)
def test_a_channel_leads_back_to_its_topic(database, topic):
    names = Keyspace("socketio", database)
    assert str(names.topic(names.channel(topic))) == topic


def test_names_in_database_0_and_keys_in_all_are_those_of_always():
    # Processes of the last release run beside those of the next one while a site is deployed.
    topic = channel_topic("/", "a")
    assert Keyspace("socketio").channel(topic) == "socketio:{channel,/,a}"
    for database in (0, 1):
        keys = Keyspace("socketio", database).keys(topic)
        assert keys == ("socketio:{channel,/,a}:position", "socketio:{channel,/,a}:log")


@pytest.mark.parametrize("prefix", ["{", "a}", "{a}"])
def test_a_prefix_with_braces_is_told(prefix):
    with pytest.raises(ValueError, match="SOCKETIO_RELAY_PREFIX must hold no braces"):
        RedisRelay(Options("redis://localhost", prefix=prefix))
    with (
        override_settings(SOCKETIO_RELAY_PREFIX=prefix),
        pytest.raises(ImproperlyConfigured, match=r"must be a string without braces, .*, not "),
    ):
        conf.get("RELAY_PREFIX")
