"""Presence of users and visitors, in the test cases of a project."""

from django.contrib.auth import get_user_model
from django.test import Client, TestCase, override_settings

from django_socketio import Person, disconnect, presence, presence_count, sign_channel
from django_socketio.events import on_event, on_join, on_leave, presence_info
from django_socketio.testing import Refused, SocketClient
from django_socketio.testing.server import InlineServer

User = get_user_model()


@override_settings(SOCKETIO_PRESENCE=["^room-"])
class PresenceTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ann = User.objects.create_user("ann")

    def setUp(self):
        self.told = []
        on_join(channel="^room-")(lambda channel, person: self.told.append(("join", person.id)))
        on_leave(channel="^room-")(lambda channel, person: self.told.append(("leave", person.id)))
        self.ann_id = f"user:{self.ann.pk}"

    def enter(self, **options):
        client = SocketClient(**options).connect()
        client.subscribe("room-1")
        return client

    def test_several_tabs_and_devices_are_one_user(self):
        presence_info(lambda request, channel: {"name": request.user.get_username()})
        tabs = [self.enter(user=self.ann) for _ in range(3)]
        person = Person(self.ann_id, str(self.ann.pk), {"name": "ann"})
        assert presence("room-1") == [person]
        tabs[0].disconnect()
        tabs[1].drop()
        tabs[1].advance(60)
        assert presence("room-1") == [person]
        tabs[2].unsubscribe("room-1")
        assert self.told == [("join", self.ann_id), ("leave", self.ann_id)]

    def test_a_reload_of_a_page_is_no_leave(self):
        tab = self.enter(user=self.ann)
        for _ in range(3):
            tab.drop()
            tab.advance(4.9)
            tab.reconnect()
        assert self.told == [("join", self.ann_id)]
        tab.drop()
        tab.advance(5.1)
        assert self.told == [("join", self.ann_id), ("leave", self.ann_id)]
        assert presence_count("room-1") == 0

    def test_who_is_to_come_back_to_another_server_has_longer(self):
        for grace, longer in [(5, 10), (30, 30)]:
            with self.subTest(grace=grace), self.settings(SOCKETIO_PRESENCE_GRACE=grace):
                self.told.clear()
                tab = self.enter(user=self.ann)
                sockets = InlineServer.of_test().sockets
                sockets.is_stopping = True  # as while a worker of gunicorn ends its sockets
                sockets.engine.stop()
                tab.advance(longer - 0.1)
                assert self.told == [("join", self.ann_id)]
                tab.advance(0.2)
                assert self.told == [("join", self.ann_id), ("leave", self.ann_id)]
                InlineServer.of_test().stop()

    def test_anonymous_visitors_are_their_django_sessions_or_their_sockets(self):
        browser = Client()
        tabs = [self.enter(http=browser, session={"a": 1}) for _ in range(2)]
        strangers = [self.enter() for _ in range(2)]
        ids = [person.id for person in presence("room-1")]
        assert [id.partition(":")[0] for id in ids] == ["visitor", "socket", "socket"]
        assert browser.session.session_key not in ids[0]
        assert ids[1:] == [f"socket:{one.id}" for one in strangers]
        for tab in tabs:
            tab.unsubscribe("room-1")
        assert self.told[-1] == ("leave", ids[0])

    def test_who_logs_out_leaves_at_once_with_all_tabs_and_nobody_else_does(self):
        browser = Client()
        stranger = self.enter()
        tabs = [self.enter(user=self.ann, http=browser) for _ in range(2)]
        with self.captureOnCommitCallbacks(execute=True):
            browser.logout()
        assert [tab.connected for tab in tabs] == [False, False]
        assert [person.id for person in presence("room-1")] == [f"socket:{stranger.id}"]
        assert self.told[1:] == [("join", self.ann_id), ("leave", self.ann_id)]

    def test_who_logs_out_in_one_browser_stays_by_another(self):
        browser, phone = Client(), Client()
        self.enter(user=self.ann, http=browser)
        self.enter(user=self.ann, http=phone)
        with self.captureOnCommitCallbacks(execute=True):
            browser.logout()
        assert [person.id for person in presence("room-1")] == [self.ann_id]
        with self.captureOnCommitCallbacks(execute=True):
            phone.logout()
        assert presence("room-1") == []
        assert self.told == [("join", self.ann_id), ("leave", self.ann_id)]

    def test_who_changes_the_password_or_is_disconnected_leaves_at_once(self):
        self.enter(user=self.ann, http=Client())
        with self.captureOnCommitCallbacks(execute=True):
            self.ann.set_password("other")
            self.ann.save()
        assert presence("room-1") == []
        self.enter()
        disconnect(channel="room-1")
        assert presence("room-1") == []

    def test_a_socket_that_logs_in_is_another_person(self):
        @on_event("login")
        def login(request, socket, context):
            socket.login(self.ann)

        client = self.enter()
        stranger = presence("room-1")[0].id
        client.emit("login")
        assert [person.id for person in presence("room-1")] == [self.ann_id]
        assert {*self.told} == {("join", stranger), ("join", self.ann_id), ("leave", stranger)}

    def test_a_client_sees_who_is_there(self):
        presence_info(lambda request, channel: request.user.get_username())
        tab = self.enter(user=self.ann)
        assert tab.presence("room-1") == [Person(self.ann_id, str(self.ann.pk), "ann")]
        other = self.enter()
        assert len(tab.presence("room-1")) == 2
        others = [self.enter() for _ in range(3)]
        assert len(tab.presence("room-1")) == 5
        for one in (other, *others):
            one.unsubscribe("room-1")
        assert len(tab.presence("room-1")) == 1

    def test_a_client_that_has_left_is_refused_and_sees_everybody_when_it_is_back(self):
        tab, other = self.enter(), self.enter()
        assert len(tab.presence("room-1")) == 2
        tab.unsubscribe("room-1")
        with self.assertRaisesMessage(Refused, "not on the channel"):
            tab.presence("room-1")
        other.unsubscribe("room-1")
        tab.subscribe("room-1")
        assert [one.id for one in tab.presence("room-1")] == [f"socket:{tab.id}"]
        self.enter()
        assert len(tab.presence("room-1")) == 2

    def test_a_client_that_the_server_has_taken_off_is_refused_as_well(self):
        @on_event("kick")
        def kick(request, socket, context):
            return socket.unsubscribe("room-1")

        tab, other = self.enter(), self.enter()
        for is_asked_meanwhile in (True, False):
            assert len(tab.presence("room-1")) == 2
            assert tab.emit("kick") is True
            if is_asked_meanwhile:
                with self.assertRaisesMessage(Refused, "not on the channel"):
                    tab.presence("room-1")
            tab.subscribe("room-1")
        other.unsubscribe("room-1")
        assert [one.id for one in tab.presence("room-1")] == [f"socket:{tab.id}"]

    def test_a_client_leaves_by_the_token_that_it_has_come_by(self):
        tab = SocketClient().connect()
        token = str(sign_channel("room-1", anyone=True))
        tab.subscribe(token)
        assert len(tab.presence("room-1")) == 1
        tab.unsubscribe(token)
        with self.assertRaisesMessage(Refused, "not on the channel"):
            tab.presence("room-1")
