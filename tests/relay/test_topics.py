"""Topics as values: their keys, their policies, and the retention of each."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_socketio.relay import topics
from django_socketio.relay.topics import (
    NO_LOG,
    Policy,
    Retention,
    RetentionRule,
    Retentions,
    Topic,
    TopicKind,
    channel_topic,
    everyone_topic,
    socket_topic,
    topic_of_key,
)

namespaces = st.text(st.characters(exclude_characters=",")).map("/{}".format)
any_topic = st.builds(Topic, st.sampled_from(TopicKind), namespaces, st.text())


@given(any_topic)
def test_a_key_leads_back_to_its_topic(topic):
    assert topic_of_key(str(topic)) == topic


@given(any_topic, any_topic)
def test_no_two_topics_share_a_key(one, other):
    assert (str(one) == str(other)) == (one == other)


@pytest.mark.parametrize("key", ["", ",", "later,/,a", "channels,/,a", "Channel,/,a", "logins"])
def test_a_key_of_no_known_kind_has_no_topic(key):
    assert topic_of_key(key) is None


def test_names_with_commas_stay_whole():
    assert topic_of_key("channel,/,a,b,") == channel_topic("/", "a,b,")


@pytest.mark.parametrize("kind", TopicKind)
def test_every_kind_has_a_policy(kind):
    assert isinstance(Topic(kind).policy, Policy)


def test_only_subscribers_of_channels_are_told_of_losses():
    assert channel_topic("/", "a").policy.tells_losses
    for topic in (socket_topic("/", "a"), everyone_topic("/"), Topic(TopicKind.CONTROL)):
        assert not topic.policy.tells_losses


LONG, SHORT = Retention(seconds=3600), Retention(messages=10, seconds=1)


def test_the_first_rule_that_fits_decides():
    rules = (
        RetentionRule(TopicKind.CHANNEL, re.compile("^room-"), LONG),
        RetentionRule(TopicKind.CHANNEL, re.compile("room|lobby"), SHORT),
        RetentionRule(TopicKind.EVERYONE, re.compile(""), NO_LOG),
    )
    retentions = Retentions(rules=rules)
    assert retentions.of(channel_topic("/", "room-1")) == LONG
    assert retentions.of(channel_topic("/chat", "rooms")) == SHORT
    assert retentions.of(channel_topic("/chat", "lobby")) == SHORT
    assert retentions.of(channel_topic("/chat", "classroom-1")) == Retention()
    assert retentions.of(socket_topic("/", "room-1")) == Retention()
    assert retentions.of(everyone_topic("/")) == NO_LOG


def test_a_kind_without_a_log_keeps_none_whatever_the_rules_say(monkeypatch):
    monkeypatch.setitem(topics._POLICIES, TopicKind.CONTROL, Policy(has_log=False))
    rules = (RetentionRule(TopicKind.CONTROL, re.compile(""), LONG),)
    assert Retentions(rules=rules).of(Topic(TopicKind.CONTROL, name="logins")) == NO_LOG
