"""Event streams in a project's tests, by Django's test clients."""

from functools import partial
from itertools import product

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import RequestFactory, TestCase, override_settings

from django_socketio import disconnect, emit, emit_batch, unsubscribe
from django_socketio.testing import SocketClient, assert_emitted, stream_events

STREAM = "/stream/?channel=a"
ALONE = "/stream/channels-only/?channel=a"
COMPRESSING = "django.middleware.gzip.GZipMiddleware"


class EventStreamTests(TestCase):
    def setUp(self):
        self.ann = get_user_model().objects.create_user("ann")

    def get(self, path=STREAM, **fields):
        return self.client.get(path, headers=fields or None)

    def test_a_test_reads_what_was_published(self):
        response = self.get()
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        emit("saved", {"id": 7}, channel="a")
        emit("message", "x", "y", channel="a")
        assert_emitted("saved", channel="a")
        expected = [("saved", {"id": 7}), ("message", ["x", "y"])]
        self.assertEqual(stream_events(response), expected)
        self.assertEqual(stream_events(response), [])
        emit("later", channel="a")
        self.assertEqual(stream_events(response), [("later", None)])

    def test_the_content_of_the_response_does_not_block(self):
        response = self.get()
        emit("saved", 7, channel="a")
        content = b"".join(response.streaming_content)
        self.assertIn(b"event: saved\ndata: 7\nid: ", content)

    def test_a_stream_of_a_user_is_an_audience(self):
        group = Group.objects.create(name="editors")
        self.client.force_login(self.ann)
        response, alone = self.get(), self.get(ALONE)
        emit("user", user=self.ann)
        emit("session", session=self.client.session)
        emit("group", group=group)
        self.ann.groups.add(group)
        SocketClient().connect().advance(120)  # the groups of users are read again
        emit("group again", group=group)
        emit("both", user=self.ann, group=group, channel="a")
        names = [event.type for event in stream_events(response)]
        self.assertEqual(names, ["user", "session", "group again", "both"])
        self.assertEqual([event.type for event in stream_events(alone)], ["both"])

    def test_the_audience_of_a_returning_user_has_a_past(self):
        self.client.force_login(self.ann)
        id = last_id(self.get())
        emit("user", 1, user=self.ann)
        again = self.get(**{"Last-Event-ID": id})
        self.assertEqual(stream_events(again), [("user", 1)])

    def test_commands_to_audiences_end_streams_of_channels_alone(self):
        self.ann.groups.add(group := Group.objects.create(name="editors"))
        self.client.force_login(self.ann)
        commands = (disconnect, partial(unsubscribe, "a"))
        audiences = ({"user": self.ann}, {"group": group}, {"session": self.client.session})
        for command, audience in product(commands, audiences):
            with self.subTest(command=command, audience=audience):
                response = self.get(ALONE)
                unsubscribe("b", **audience)
                self.assertFalse(response.event_stream.is_over)
                command(**audience)
                self.assertTrue(response.event_stream.is_over)

    @override_settings(SOCKETIO_HISTORY={"": {"size": 9, "seconds": 60, "replay": 9}})
    def test_a_stream_of_channels_alone_has_no_past_of_audiences(self):
        self.client.force_login(self.ann)
        self.assertEqual(last_id(self.get(ALONE)).count("~"), 0)
        emit("user", user=self.ann)
        emit("both", 1, user=self.ann, channel="a")
        response = self.get(ALONE)
        emit("other", user=self.ann, channel="b")
        emit("both", 2, user=self.ann, channel="a")
        self.assertEqual(stream_events(response), [("both", 1), ("both", 2)])
        back = self.get(ALONE, **{"Last-Event-ID": "none of ours"})
        reset = {"channels": ["a"], "audiences": []}
        self.assertEqual(stream_events(back), [("reset", reset)])

    def test_a_logout_ends_the_stream(self):
        self.client.force_login(self.ann)
        response = self.get()
        self.assertFalse(response.event_stream.is_over)
        with self.captureOnCommitCallbacks(execute=True):
            self.client.logout()
        self.assertTrue(response.event_stream.is_over)
        emit("secret", user=self.ann)
        emit("secret", channel="a")
        self.assertEqual(stream_events(response), [])

    def test_a_user_who_may_not_log_in_any_more_gets_nothing(self):
        self.client.force_login(self.ann)
        response = self.get()
        get_user_model().objects.filter(pk=self.ann.pk).update(is_active=False)  # no signal
        SocketClient().connect().advance(120)  # the check of the logins
        emit("secret", user=self.ann)
        self.assertEqual(stream_events(response), [])
        self.assertTrue(response.event_stream.is_over)

    @override_settings(SOCKETIO_STREAM_MAX_AGE=1000)
    def test_time_ends_the_stream(self):
        client, response = SocketClient().connect(), self.get()
        client.advance(700)
        self.assertFalse(response.event_stream.is_over)
        client.advance(400)
        self.assertTrue(response.event_stream.is_over)

    @override_settings(SOCKETIO_MAX_UNSENT_BYTES=1000)
    def test_too_much_for_streams_that_are_not_read_ends_them(self):
        def batch(event, *args, **audience):
            with emit_batch() as collected:
                collected.emit(event, *args, **audience)

        for publish in (emit, batch):
            with self.subTest(publish=publish):
                responses = [self.get(), self.get()]
                publish("x", "y" * 900, channel="a")
                with self.assertLogs("django_socketio", "WARNING") as logged:
                    publish("x", "y" * 900, channel="a")
                self.assertIn("more waits for it than SOCKETIO_MAX_UNSENT_BYTES", logged.output[0])
                self.assertTrue(all(response.event_stream.is_over for response in responses))
                self.assertEqual(emit("later", channel="a").received, 0)

    def test_a_view_that_requires_a_login(self):
        response = self.get("/stream/members/")
        self.assertEqual(response.status_code, 302)
        with self.assertRaisesMessage(AssertionError, "status 302 and is no event stream"):
            stream_events(response)
        self.client.force_login(self.ann)
        response = self.get("/stream/members/")
        emit("hello", channel="members")
        self.assertEqual(stream_events(response), [("hello", None)])

    @override_settings(MIDDLEWARE=[COMPRESSING])
    def test_a_stream_is_not_compressed(self):
        response = self.get(**{"Accept-Encoding": "gzip"})
        emit("saved", "x" * 1000, channel="a")
        self.assertNotIn("Content-Encoding", response.headers)
        self.assertEqual(stream_events(response), [("saved", "x" * 1000)])

    def test_a_head(self):
        response = self.client.head(STREAM)
        self.assertEqual((response.status_code, response.content), (200, b""))

    def test_the_session_of_the_request_is_still_saved(self):
        self.client.force_login(self.ann)
        before = self.client.session.session_key
        self.get()
        self.assertEqual(self.client.session.session_key, before)
        self.assertEqual(self.client.get("/stream/members/").status_code, 200)

    async def test_the_asynchronous_client(self):
        response = await self.async_client.get(STREAM)
        emit("saved", 7, channel="a")
        content = b"".join([part async for part in response.streaming_content])
        self.assertIn(b"event: saved\ndata: 7\nid: ", content)


def last_id(response):
    (line,) = [one for one in response.event_stream.take().decode().split("\n") if "id: " in one]
    return line.removeprefix("id: ")


def test_a_server_that_answers_one_request_at_a_time_says_what_to_run():
    from tests.project.streams import Stream

    request = RequestFactory().get(STREAM, **{"wsgi.multithread": False})
    response = Stream.as_view()(request)
    assert response.status_code == 501
    assert b"django_socketio.gunicorn.Worker" in response.content
