"""The ids of event streams: positions of all topics, compact and bounded."""

import random
import string
from dataclasses import replace

import pytest

from django_socketio.relay.envelope import Delivery, Envelope, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from django_socketio.streams.marks import MAX_LENGTH, MAX_SEEN, Marks, parse

A, B = channel_topic("/", "a"), channel_topic("/", "b")
USER = Topic(TopicKind.USER, "/", "7")


def id_of(marks):
    field = marks.field().decode()
    assert field.startswith("id: ")
    assert field.endswith("\n\n")
    return field.removeprefix("id: ").strip("\n")


def marks_of(**offsets):
    marks = Marks()
    for name, offset in offsets.items():
        marks.set(channel_topic("/", name), StreamPosition("0123456789ab", offset))
    return marks


def message(offset, *topics):
    envelope = Envelope(topics or (A,), "/", "tick", ())
    return Delivery(envelope, envelope.topics[0], StreamPosition("0123456789ab", offset))


def test_an_id_says_where_each_topic_is():
    marks = marks_of(a=3, b=4)
    presented = parse(id_of(marks))
    assert presented.since(A) == ("0123456789ab", 3)
    assert presented.since(B) == ("0123456789ab", 4)
    assert presented.since(USER) is None
    assert presented.since(channel_topic("/admin", "a")) is None
    marks.take(message(5))
    assert parse(id_of(marks)).since(A).offset == 5


def test_a_topic_whose_position_is_not_known_is_a_gap():
    marks = marks_of(a=3)
    marks.set(B, None)
    presented = parse(id_of(marks))
    assert presented.since(A).offset == 3
    assert presented.since(B) == ("", 0)


def test_an_id_is_bounded_and_what_does_not_fit_is_a_gap():
    names = [f"channel-{number}" for number in range(1000)]
    presented = parse(id_of(marks_of(**dict.fromkeys(names, 10**15))))
    assert len(id_of(marks_of(**dict.fromkeys(names, 10**15)))) <= MAX_LENGTH + 2
    found = [presented.since(channel_topic("/", name)) for name in names]
    assert found[0].offset == 10**15
    assert found[-1] == ("", 0)


def test_a_hundred_channels_fit():
    names = [f"channel-{number}" for number in range(100)]
    presented = parse(id_of(marks_of(**dict.fromkeys(names, 10**9))))
    assert all(presented.since(channel_topic("/", name)).offset == 10**9 for name in names)


def test_a_message_for_several_topics_is_named_until_all_have_come_to_it():
    marks = marks_of(a=3, b=4)
    sent = message(5, A, B)
    marks.take(sent)
    assert parse(id_of(marks)).seen == {sent.envelope.id[:8]}
    marks.copied(B, StreamPosition("0123456789ab", 5), sent.envelope.id)
    assert parse(id_of(marks)) == parse(id_of(marks_of(a=5, b=5)))
    for number in range(100):
        marks.take(message(number + 6, A, B))
    assert len(parse(id_of(marks)).seen) == MAX_SEEN
    later = message(7)._replace(topic=B)
    marks.take(later)  # comes after all of them
    assert parse(id_of(marks)).seen == set()


@pytest.mark.parametrize("is_copy", [True, False])
def test_a_message_that_the_client_has_only_moves_the_position(is_copy):
    marks, sent = marks_of(a=3, b=4), message(5, A, B)
    topics = (B,) if is_copy else (A, B)
    again = replace(sent.envelope, topics=topics, is_copy=is_copy)
    late = Delivery(again, B, StreamPosition("0123456789ab", 6))
    assert marks.take(sent)
    named = id_of(marks)
    assert not marks.take(late)
    assert id_of(marks) == id_of(marks_of(a=5, b=6))
    returned = marks_of(a=5, b=4)
    returned.begin(parse(named))
    assert not returned.take(late)
    assert id_of(returned) == id_of(marks_of(a=5, b=6))


def test_a_late_copy_moves_no_position_back():
    marks = marks_of(a=3, b=4)
    marks.copied(A, StreamPosition("0123456789ab", 2), "0" * 16)
    assert id_of(marks) == id_of(marks_of(a=3, b=4))


def test_it_is_known_whether_the_client_has_the_id():
    marks = marks_of(a=3)
    assert marks.is_untold
    marks.field()
    assert not marks.is_untold
    marks.reach(A, StreamPosition("0123456789ab", 2))
    assert not marks.is_untold
    marks.reach(A, StreamPosition("0123456789ab", 4))
    assert marks.is_untold


def test_any_text_may_be_presented():
    chance = random.Random(17)
    known = id_of(marks_of(a=3, b=4))
    for _ in range(3000):
        text = [*chance.choice([known, "", "*"])]
        for _ in range(chance.randrange(6)):
            place = chance.randrange(len(text) + 1)
            text[place : place + chance.randrange(3)] = chance.choice(string.printable + "ü~\0")
        presented = parse("".join(text))
        for topic in (A, B, USER):
            since = presented.since(topic)
            assert since is None or (isinstance(since.epoch, str) and since.offset >= 0)


@pytest.mark.parametrize("id", ["~", "*", "~*", "a.b", "x" * 100_000])
def test_of_an_id_that_is_none_of_ours_nothing_is_known(id):
    assert parse(id).since(A) == ("", 0)
