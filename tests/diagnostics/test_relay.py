"""What the doctor finds out about the relay."""

import re

import pytest
from django.test import override_settings

from django_socketio.channels import publish
from django_socketio.diagnostics import relay
from django_socketio.server import relays, watchdog
from tests.kit.programs import free_port


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(relay, "PATIENCE", 20.0)
    monkeypatch.setattr(relay, "SLOW", 20.0)
    monkeypatch.setattr("django_socketio.relay.redis.listeners.YOUNG", 0)
    assert publish._WithoutServer.open_listening is relays.for_caller


def examine(url, **settings):
    """Return the findings about the relay at a URL, by step."""
    ours = {f"SOCKETIO_{name}": value for name, value in settings.items()}
    with override_settings(SOCKETIO_RELAY_URL=url, SOCKETIO_RELAY_IN_TESTS=True, **ours):
        return {finding.step: finding for finding in relay.examine()}


def test_a_relay_that_works_tells_its_time_and_that_no_server_hears_it(redis):
    found = examine(redis.url)
    assert found["relay"].level == "ok"
    assert " ms through Redis at /" in found["relay"].text
    assert found["processes"].level == "error"
    assert found["processes"].text == "No server process hears the relay."
    assert "SOCKETIO_RELAY_PREFIX" in found["processes"].remedy


def test_a_slow_relay_is_told(redis, monkeypatch):
    monkeypatch.setattr(relay, "SLOW", 0.0)
    found = examine(redis.url)["relay"]
    assert found.level == "warning"
    assert "SLOWLOG" in found.remedy


def test_a_relay_that_is_away_is_told():
    found = examine(f"redis://127.0.0.1:{free_port()}/0", RELAY_TIMEOUT=4)["relay"]
    assert found.level == "error"
    assert "Is Redis running" in found.remedy


@pytest.mark.parametrize(
    ("rights", "word", "timeout"),
    [
        ("+@all -publish -evalsha -eval allkeys allchannels", "lacks rights", 4),
        ("+@all -xadd allkeys allchannels", "lacks rights", 4),
        ("+@all allkeys resetchannels &other*", "rights", 1),  # it is waited for twice
    ],
    ids=["commands", "commands of scripts", "channels"],
)
def test_a_user_of_redis_without_rights_is_told(redis, rights, word, timeout):
    redis.client.execute_command(
        "ACL", "SETUSER", "chat", "reset", "on", ">secret", *rights.split()
    )
    url = redis.url.replace("unix://", "unix://chat:secret@")
    found = examine(url, RELAY_TIMEOUT=timeout)["relay"]
    assert found.level == "error"
    assert word in found.remedy
    assert "secret" not in str(found)


def test_people_are_noted_where_the_site_notes_them(redis):
    assert "presence" not in examine(redis.url)
    found = examine(redis.url, PRESENCE=["^room-"])
    assert (found["relay"].level, found["presence"].level) == ("ok", "ok")
    left = {key for key in redis.client.scan_iter() if b"doctor" in key or b"processes" in key}
    lasting = {key for key in left if b":order:" not in key}  # the answers to the last changes
    assert {key.rpartition(b":")[2] for key in lasting} <= {b"position", b"log", b"{processes}"}
    assert all(redis.client.ttl(key) > 0 for key in left - lasting)
    assert redis.client.hkeys("socketio:{processes}") == [b"data"]


def test_rights_that_only_presence_needs_are_told(redis):
    rights = "reset on >secret +@all -hexists allkeys allchannels"
    redis.client.execute_command("ACL", "SETUSER", "chat", *rights.split())
    url = redis.url.replace("unix://", "unix://chat:secret@")
    assert examine(url)["relay"].level == "ok"
    found = examine(url, PRESENCE=["^room-"])["relay"]
    assert found.level == "error"
    assert "lacks rights" in found.remedy


def test_a_redis_that_has_just_started_is_told(redis, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.listeners.YOUNG", 1e6)
    redis.client.flushall()
    assert "has started a moment ago" in examine(redis.url)["relay"].remedy


def test_a_wrong_password_is_told(redis):
    url = redis.url.replace("unix://", "unix://chat:wrong@")
    found = examine(url, RELAY_TIMEOUT=4)["relay"]
    assert found.level == "error"
    assert "the user and the password" in found.remedy


def test_processes_that_do_not_answer_are_told_with_the_words_of_their_log(redis, monkeypatch):
    monkeypatch.setattr(relay, "site_stats", lambda timeout: {"processes": [], "silent": 1})
    found = examine(redis.url)["processes"]
    assert found.level == "error"
    assert found.text.startswith("1 server process hears the relay, and did not answer")
    assert re.search("'(.+)'", found.remedy)[1] in watchdog.HELD
