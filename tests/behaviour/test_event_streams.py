"""Event streams on our own server, as their clients see them."""

import json
import threading
from dataclasses import replace

import gevent
import pytest
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.mixins import (
    LoginRequiredMixin,
    PermissionRequiredMixin,
    UserPassesTestMixin,
)
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.decorators import method_decorator

from django_socketio import EventStreamView, call, disconnect, emit, subscribe, unsubscribe
from django_socketio.relay.envelope import Delivery, Envelope, StreamPosition
from django_socketio.relay.topics import channel_topic
from tests.kit.http import exchange, raw_request
from tests.kit.live import STOPPING, nothing_is_left
from tests.kit.streams import StreamClient
from tests.kit.waiting import TIMEOUT, wait_until


@pytest.fixture
def stream(server):
    """Open a stream, which has begun."""
    return lambda path="/stream/?channel=a", **fields: StreamClient(
        server.port, path, **fields
    ).begin()


def number_of(server):
    return len(server.socket_server.open_sockets)


def test_a_stream_brings_the_events_of_its_channels(server, stream):
    one, other = stream("/stream/?channel=a&channel=b"), stream("/stream/?channel=b")
    emit("tick", {"n": 1}, channel="a")
    emit("message", "ü", channel="b")
    assert one.events(2) == [("tick", '{"n":1}'), ("message", '"ü"')]
    assert other.event() == ("message", '"ü"')


def test_the_head_of_a_stream(stream):
    one = stream()
    assert one.status == 200
    fields = {name.lower(): value for name, value in one.headers.items()}
    assert fields["content-type"] == "text/event-stream"
    assert {"no-cache", "no-transform"} <= {*fields["cache-control"].split(", ")}
    assert fields["x-accel-buffering"] == "no"
    assert fields["connection"] == "close"
    assert not {"content-length", "etag", "transfer-encoding"} & {*fields}


@pytest.mark.parametrize(
    ("args", "data"),
    [
        ((), "null"),
        ((None,), "null"),
        (("a\r\nb\u2028",), '"a\\r\\nb\u2028"'),
        ((["x", "y"],), '["x","y"]'),
        (("x", {"y": 1}), '["x",{"y":1}]'),
        ((b"\x00\xff",), '"AP8="'),
        (({"a": [b"1"]}, b"2", "x"), '[{"a":["MQ=="]},"Mg==","x"]'),
    ],
)
def test_the_data_is_the_argument_or_the_list_of_arguments(server, stream, args, data):
    one = stream()
    emit('say "hi", all: ', *args, channel="a")
    assert one.event() == ('say "hi", all: ', data)


def test_an_event_whose_name_would_end_its_field_is_left_out_and_logged(server, stream, caplog):
    one = stream()
    emit("x\ndata: forged", "x", channel="a")
    emit("x\rid: forged", "x", channel="a")
    emit("after", channel="a")
    assert one.event() == ("after", "null")
    assert "its name has a line break: 'x\\ndata: forged'" in caplog.text


def test_a_stream_is_in_its_namespace_and_not_in_everyone(server, stream):
    one, admin = stream(), stream("/stream/admin/?channel=a")
    emit("everyone")
    emit("admin", channel="a", namespace="/admin")
    emit("plain", channel="a")
    assert one.event() == ("plain", "null")
    assert admin.event() == ("admin", "null")


def test_one_event_is_rendered_once_for_all_streams(server, stream, monkeypatch):
    from django_socketio.streams import blocks

    rendered = []
    event = blocks.event_stream.event
    monkeypatch.setattr(
        blocks.event_stream, "event", lambda *args: rendered.append(args) or event(*args)
    )
    streams = [stream() for _ in range(5)]
    emit("tick", channel="a")
    assert [one.event() for one in streams] == [("tick", "null")] * 5
    assert rendered == [("tick", "null")]


# Coming back


def test_a_client_that_comes_back_gets_what_it_has_missed(server, stream):
    one = stream("/stream/?channel=a&channel=b")
    emit("tick", 1, channel="a")
    assert one.event().data == "1"
    one.close()
    wait_until(lambda: number_of(server) == 0)
    for number in (2, 3):
        emit("tick", number, channel="a")
    emit("tock", 4, channel="b")
    again = one.come_back(server.port, "/stream/?channel=a&channel=b")
    assert again.events(3) == [("tick", "2"), ("tick", "3"), ("tock", "4")]
    again.begin()
    emit("tick", 5, channel="a")
    assert again.event().data == "5"
    last = again.come_back(path="/stream/?channel=a&channel=b")
    emit("tick", 6, channel="a")
    assert last.event().data == "6"


def test_a_stream_that_was_cut_before_its_first_event_has_a_position(server, stream):
    one = stream()
    one.close()
    emit("tick", channel="a")
    assert one.come_back(server.port).event() == ("tick", "null")


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "lastEventID", "Last-Event-ID"])
def test_the_last_id_may_be_a_parameter(server, stream, name):
    one = stream()
    one.close()
    emit("tick", channel="a")
    path = f"/stream/?channel=a&{name}={one.last_event_id}"
    assert StreamClient(server.port, path).event() == ("tick", "null")


def test_the_field_of_a_browser_that_comes_back_is_newer_than_the_parameter_of_its_page(
    server, stream
):
    one = stream()
    first = one.last_event_id
    emit("tick", 1, channel="a")
    one.event()
    path = f"/stream/?channel=a&last_event_id={first}"
    again = one.come_back(path=path)
    emit("tick", 2, channel="a")
    assert again.event().data == "2"


@pytest.mark.parametrize("id", ["41", "x" * 9000, "~", "a.b.c", "12345678.x.99999999999999999"])
def test_an_id_that_is_none_of_ours_is_a_gap(server, id):
    one = StreamClient(server.port, "/stream/?channel=a&channel=b", **{"Last-Event-ID": id})
    type, data = one.event()
    assert (type, json.loads(data)) == ("reset", {"channels": ["a", "b"], "audiences": []})
    emit("tick", channel="a")
    assert one.event() == ("tick", "null")


def test_only_the_channel_with_a_gap_is_reset(server, stream):
    one = stream("/stream/?channel=a&channel=b")
    place_of_a, place_of_b = one.last_event_id.split("~")
    forged = f"{place_of_a[:-1]}7~{place_of_b}"
    emit("tock", channel="b")
    again = StreamClient(server.port, "/stream/?channel=a&channel=b", **{"Last-Event-ID": forged})
    assert again.event() == ("reset", '{"channels":["a"],"audiences":[]}')
    assert again.event() == ("tock", "null")


def test_a_channel_that_is_new_to_a_client_is_no_gap(server, stream):
    one = stream()
    again = one.come_back(path="/stream/?channel=a&channel=b").begin()
    emit("tock", channel="b")
    assert again.event() == ("tock", "null")


def test_a_page_goes_on_from_its_position(server):
    from django_socketio import page_position

    since = page_position("a")
    emit("tick", channel="a")
    path = f"/stream/?channel=a&last_event_id={since}"
    assert StreamClient(server.port, path).event() == ("tick", "null")


def test_without_positions_every_return_is_a_gap(serve):
    server = serve(RECOVERY_SECONDS=0)
    one = StreamClient(server.port).begin()
    emit("tick", channel="a")
    assert one.event() == ("tick", "null")
    assert one.come_back().event() == ("reset", '{"channels":["a"],"audiences":[]}')


def test_a_message_that_comes_between_readings_of_its_channels_comes_once(
    server, stream, monkeypatch
):
    """It waits for the end of the replay of the first channel, and is in the log of the second."""
    path = "/stream/?channel=a&channel=b"
    one = stream(path)
    emit("tick", 1, channel="b")
    assert one.event().data == "1"
    one.close()
    wait_until(lambda: number_of(server) == 0)
    read = server.socket_server.pasts.read

    def read_and_publish(topic, *args, **options):
        past = read(topic, *args, **options)
        if topic.name == "a":
            emit("tick", 2, channel=["a", "b"])
        return past

    monkeypatch.setattr(server.socket_server.pasts, "read", read_and_publish)
    again = one.come_back(server.port, path)
    assert again.event().data == "2"
    again.begin()
    emit("tick", 3, channel="a")
    assert again.event().data == "3"


def test_a_message_for_several_channels_comes_once_also_when_coming_back(server, stream):
    path = "/stream/?channel=a&channel=b"
    one = stream(path)
    emit("both", 1, channel=["a", "b", "c"])
    assert one.event().data == "1"
    again = one.come_back(path=path).begin()
    emit("both", 2, channel=["a", "b"])
    emit("both", 3, channel=["b", "a"])
    emit("b", 4, channel="b")
    assert [event.data for event in again.events(3)] == ["2", "3", "4"]
    again.close()
    wait_until(lambda: number_of(server) == 0)
    emit("both", 5, channel=["b", "a"])
    emit("a", 6, channel="a")
    last = again.come_back(server.port, path)
    assert [event.data for event in last.events(2)] == ["5", "6"]
    emit("b", 7, channel="b")
    assert last.event().data == "7"


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_message_that_the_client_names_is_not_sent_again_where_it_comes_late(
    server, stream, name
):
    path, sockets = "/stream/?channel=a&channel=b", server.socket_server
    one = stream(path)
    emit("both", 1, channel=["a", "b"])
    assert one.event().data == "1"
    (late,) = sockets.relay.read(channel_topic("/", name)).deliveries
    again = one.come_back(path=path).begin()
    server.call(sockets.channels.deliver, late)  # the relay of this process lags behind
    emit("tick", 2, channel="b")
    assert again.event().data == "2"


def test_a_message_that_the_relay_takes_late_for_a_further_channel_is_not_sent_again(
    server, stream
):
    one, sockets = stream("/stream/?channel=a&channel=b"), server.socket_server
    topics = tuple(channel_topic("/", name) for name in "ab")
    sent = Envelope(topics, "/", "both", (1,))
    copy = replace(sent, topics=topics[1:], is_copy=True)
    for envelope, topic in ((sent, topics[0]), (copy, topics[1])):
        at = StreamPosition(sockets.relay.keep(topic, 60).epoch, 1)
        server.call(sockets.channels.deliver, Delivery(envelope, topic, at))
    emit("tick", 2, channel="a")
    assert [event.data for event in one.events(2)] == ["1", "2"]


def test_a_message_by_a_channel_of_others_comes_once_when_coming_back(server, stream):
    others, one = stream("/stream/?channel=b"), stream()
    emit("both", 1, channel=["b", "a"])  # delivered by b, of which the second stream is not
    assert one.event() == others.event() == ("both", "1")
    again = one.come_back().begin()
    emit("a", 2, channel="a")
    assert again.event().data == "2"


def test_a_new_stream_begins_with_the_replay_of_a_history(serve):
    server = serve(HISTORY={"^a": {"size": 5, "seconds": 60, "replay": 2}})
    for number in range(4):
        emit("tick", number, channel="a")
    one = StreamClient(server.port)
    cut = one.begin().come_back()  # before the client has read the replay
    assert [event.data for event in cut.events(2)] == ["2", "3"]
    one = StreamClient(server.port)
    assert [event.data for event in one.events(2)] == ["2", "3"]
    emit("tick", 4, channel="a")
    assert one.event().data == "4"
    again = one.come_back()
    emit("tick", 5, channel="a")
    assert again.event().data == "5"


def test_a_message_in_the_histories_of_two_channels_is_replayed_once(serve):
    server = serve(HISTORY={"": {"size": 5, "seconds": 60, "replay": 3}})
    emit("tick", 1, channel="a")
    emit("tick", 2, channel=["a", "b"])
    emit("tick", 3, channel="b")
    one = StreamClient(server.port, "/stream/?channel=a&channel=b")
    emit("tick", 4, channel="b")
    assert [event.data for event in one.events(4)] == ["1", "2", "3", "4"]


def test_a_loss_is_told_to_a_stream_that_is_open(server, stream):
    one = stream()
    server.call(server.socket_server.loss_reports.add, channel_topic("/", "a"))
    assert one.event() == ("reset", '{"channels":["a"],"audiences":[]}')


# The life of a stream


def test_comments_show_that_a_stream_is_alive(serve):
    server = serve(PING_INTERVAL=0.05)
    one = StreamClient(server.port).begin()
    assert one.is_beaten()
    assert one.is_beaten()


def test_a_stream_takes_no_greenlet(server, stream):
    before = server.call(lambda: len(server.server._wsgi.connections))
    streams = [stream() for _ in range(20)]
    wait_until(lambda: len(server.server._wsgi.connections) == before)
    assert number_of(server) == len(streams)


def test_nothing_is_left_of_streams_whose_clients_have_gone(server, stream):
    for one in [stream() for _ in range(3)]:
        one.close()
    assert nothing_is_left(server)
    assert len(server.logins) == 0


def test_a_stream_ends_at_its_maximum_age_and_goes_on(serve):
    server = serve(STREAM_MAX_AGE=0.2)
    one = StreamClient(server.port).begin()
    assert one.reader.retry in range(3000, 4501)
    assert one.rest() == []
    emit("tick", channel="a")
    assert one.come_back(server.port).event() == ("tick", "null")


def test_a_server_that_stops_ends_its_streams(server, stream):
    one = stream()
    server.stop()
    assert one.rest() == []


def test_a_client_that_does_not_read_is_closed_and_others_go_on(serve, caplog):
    server = serve(MAX_UNSENT_BYTES=100_000)
    slow, quick = StreamClient(server.port).begin(), StreamClient(server.port).begin()
    sent = 0
    while number_of(server) == 2:
        emit("long", "x" * 50_000, channel="a")
        sent += 1
        assert quick.event().type == "long"
        assert sent < 1000
    assert len(slow.rest()) < sent
    assert "SOCKETIO_MAX_UNSENT_BYTES" in caplog.text


@pytest.mark.parametrize(("count", "data"), [(4, "x" * 2000), (45, "")], ids=["long", "short"])
def test_a_client_that_comes_back_gets_no_more_than_what_may_wait_for_it(serve, count, data):
    """Otherwise it would be closed, and come back with the same id."""
    server = serve(MAX_UNSENT_BYTES=20_000)
    path = "/stream/?channel=a&channel=b"
    one = StreamClient(server.port, path).begin()
    one.close()
    wait_until(lambda: number_of(server) == 0)
    for channel in "ab":
        for _ in range(count):
            emit("tick", data, channel=channel)
    again = one.come_back(server.port, path)
    assert again.event() == ("reset", '{"channels":["b"],"audiences":[]}')
    assert {event.data for event in again.events(count)} == {f'"{data}"'}
    emit("tick", "new", channel="b")
    assert again.event().data == '"new"'


def test_a_client_that_floods_its_stream_is_closed(server, stream):
    one = stream()
    with pytest.raises(OSError):
        for _ in range(10_000):
            one.socket.sendall(b"x" * 4096)
    assert nothing_is_left(server)


def test_rates_of_new_connections_concern_streams(serve):
    server = serve(ADDRESS_CONNECT_RATE=0.01, RATE_BURST=1.0)
    StreamClient(server.port).begin()
    refused = StreamClient(server.port)
    assert (refused.status, refused.headers["Retry-After"] is not None) == (429, True)


# Requests


def test_head_has_the_fields_and_no_stream(server):
    one = StreamClient(server.port, method="HEAD")
    assert (one.status, one.headers["Content-Type"]) == (200, "text/event-stream")
    assert one.answer.read() == b""
    assert number_of(server) == 0


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "text/*", None])
def test_an_accept_field_that_allows_the_type(server, stream, accept):
    assert stream(Accept=accept).status == 200


def test_an_accept_field_that_excludes_the_type(server):
    refused = StreamClient(server.port, Accept="application/json")
    assert refused.status == 406
    assert b"text/event-stream" in refused.answer.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused(server, method):
    assert exchange(server.port, method, "/stream/?channel=a")[0] in (403, 405)


def test_a_name_that_no_channel_has_is_refused(server):
    status, text = exchange(server.port, "GET", "/stream/?channel=a%00")
    assert (status, "control characters" in text) == (400, True)


def test_more_channels_than_a_socket_may_have_are_refused(serve):
    server = serve(MAX_CHANNELS=2)
    path = "/stream/?channel=a&channel=b&channel={}"
    assert StreamClient(server.port, path.format("a")).status == 200
    refused = StreamClient(server.port, path.format("c"))
    assert (refused.status, b"SOCKETIO_MAX_CHANNELS" in refused.answer.read()) == (400, True)


def test_a_client_of_http_1_0_reads_to_the_end(server, stream):
    one = StreamClient(server.port, version="HTTP/1.0").begin()
    emit("tick", channel="a")
    assert one.event() == ("tick", "null")


def test_pages_of_other_origins_are_refused(server):
    assert StreamClient(server.port, Origin="https://evil.example").status == 403


def test_a_page_of_an_allowed_origin_may_read(serve):
    server = serve(ALLOWED_ORIGINS=["https://other.example"])
    one = StreamClient(server.port, Origin="https://other.example").begin()
    assert one.headers["Access-Control-Allow-Origin"] == "https://other.example"
    assert one.headers["Access-Control-Allow-Credentials"] == "true"
    asked = StreamClient(server.port, method="OPTIONS", Origin="https://other.example")
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "https://other.example"


@pytest.mark.parametrize("path", ["/stream/?channel=a", "/stream/members/"])
def test_preflight_requests_have_no_cookies_and_are_answered(serve, path):
    server = serve(ALLOWED_ORIGINS=["https://other.example"])
    fields = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "X-Own"}
    asked = StreamClient(
        server.port, path, method="OPTIONS", Origin="https://other.example", **fields
    )
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "https://other.example"
    assert asked.headers["Access-Control-Allow-Headers"] == "X-Own"
    refused = StreamClient(
        server.port, path, method="OPTIONS", Origin="https://evil.example", **fields
    )
    assert refused.status == 403


def protected(*mixins, **attributes):
    return type("Protected", (*mixins, EventStreamView), attributes)


GUARDS = {
    "login": protected(LoginRequiredMixin),
    "test": protected(UserPassesTestMixin, test_func=lambda view: False),
    "permission": protected(PermissionRequiredMixin, permission_required="orders.view"),
    "decorator": method_decorator(login_required, name="dispatch")(protected()),
    "middleware": method_decorator(login_not_required, name="dispatch")(
        protected(LoginRequiredMixin)
    ),
}


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_a_view_that_guards_its_stream_answers_preflight_requests(guard):
    view, origin = guard.as_view(), {"HTTP_ORIGIN": "http://testserver"}
    asked = RequestFactory().options("/", HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET", **origin)
    assert view(asked).status_code == 204
    for request in (RequestFactory().get("/", **origin), RequestFactory().options("/", **origin)):
        request.user = AnonymousUser()
        assert view(request).status_code == 302


def test_a_view_may_take_the_place_of_the_middleware_that_requires_a_login():
    view, middleware = GUARDS["middleware"].as_view(), LoginRequiredMiddleware(lambda request: None)
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert middleware.process_view(request, view, (), {}) is None


COMPRESSING = [
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]


def test_middleware_that_compresses_and_caches_leaves_a_stream_alone(serve):
    server = serve({"MIDDLEWARE": COMPRESSING})
    for _ in range(2):
        one = StreamClient(server.port, **{"Accept-Encoding": "gzip", "If-None-Match": "*"})
        one.begin()
        emit("tick", channel="a")
        assert one.event() == ("tick", "null")
        assert not {"Content-Encoding", "ETag"} & {*one.headers}


def test_a_view_that_requires_a_login_redirects_and_begins_no_stream(server):
    refused = StreamClient(server.port, "/stream/members/")
    assert (refused.status, number_of(server)) == (302, 0)


def test_messages_for_several_channels_alone_move_all_positions(server, stream):
    others, one = stream("/stream/?channel=b"), stream()
    for number in range(40):
        emit("both", number, channel=["b", "a"])
    assert [event.data for event in one.events(40)] == [*map(str, range(40))]
    assert others.events(40)
    length = len(one.last_event_id)
    assert length < 100
    again = one.come_back().begin()
    emit("a", 40, channel="a")
    assert again.event().data == "40"


def test_a_stream_is_asked_nothing_and_ends_by_disconnect(server, stream):
    one = stream()
    assert call("sure?", channel="a", timeout=5, wait="all") == []
    subscribe("b", channel="a")
    emit("tick", channel="b")
    emit("last", channel="a")
    assert disconnect(channel="a").received == 1
    assert one.rest() == [("last", "null")]


def test_a_stream_ends_that_is_to_leave_one_of_its_channels(server, stream):
    path = "/stream/?channel=a&channel=b"
    one, other = stream(path), stream()
    unsubscribe("b", channel="a")
    assert one.rest() == []
    emit("tick", channel="a")
    assert other.event() == one.come_back(server.port, path).event() == ("tick", "null")


def replacing(get_response):
    """Answer with a page in the place of any stream."""

    def middleware(request):
        get_response(request)
        return HttpResponse("closed for today")

    return middleware


def test_a_page_in_the_place_of_a_stream_begins_none(serve):
    server = serve({"MIDDLEWARE": [f"{__name__}.replacing"]})
    status, text = exchange(server.port, "GET", "/stream/?channel=a")
    assert (status, text) == (200, "closed for today")
    assert number_of(server) == 0


entered, go_on = [], threading.Event()


def waiting(get_response):
    """Wait, as for a database that does not answer."""

    def middleware(request):
        if "wait" in request.GET:
            entered.append(request)
            while not go_on.is_set():
                gevent.sleep(0.01)
        return get_response(request)

    return middleware


def test_streams_that_come_at_once_wait_for_places_as_handshakes_do(serve):
    entered.clear()
    go_on.clear()
    server = serve({"MIDDLEWARE": [f"{__name__}.waiting"]}, WORKERS=2)
    request = b"GET /stream/?channel=a&wait HTTP/1.1\r\nHost: localhost\r\n"
    request += b"Accept: text/event-stream\r\n\r\n"
    waiters = [raw_request(server.port, request) for _ in range(5)]
    wait_until(lambda: len(entered) == 2)
    assert exchange(server.port, "GET", "/fields/")[0] == 200
    assert len(entered) == 2
    go_on.set()
    for one in waiters:
        assert one.recv(15) == b"HTTP/1.1 200 OK"
    assert len(entered) == 5


@pytest.mark.parametrize("can_upgrade", [True, False])
def test_a_server_that_stops_has_browsers_come_back(server, can_upgrade):
    server.socket_server.engine.can_upgrade = can_upgrade  # False with the TLS of gunicorn
    server.call(server.socket_server.engine.stop)
    one = StreamClient(server.port)
    assert (one.status, one.rest(), one.reader.retry) == (200, [], 1000)


def test_a_stream_that_begins_while_the_server_stops_is_ended(serve):
    server = serve({"MIDDLEWARE": [STOPPING]})
    assert StreamClient(server.port).rest() == []


def test_a_stream_of_another_server_that_begins_after_the_stop_is_ended(server):
    request = RequestFactory().get("/", **{"wsgi.multithread": True})
    response = EventStreamView.as_view(channels=["a"])(request)
    server.call(server.socket_server.engine.stop)
    received = []
    reader = threading.Thread(target=lambda: received.extend(response), daemon=True)
    reader.start()
    reader.join(TIMEOUT)
    assert not reader.is_alive()
    assert received == []


def test_one_text_in_the_place_of_a_list_of_channels_is_a_mistake():
    with pytest.raises(ImproperlyConfigured, match="channels of EventStreamView must be a list"):
        EventStreamView.as_view(channels="ticks")(RequestFactory().get("/"))


@pytest.mark.parametrize("retry", ["3", None, 0, float("nan")])
def test_a_retry_that_is_no_time_is_a_mistake(retry):
    with pytest.raises(ImproperlyConfigured, match="retry of EventStreamView must be a number"):
        EventStreamView.as_view(retry=retry)(RequestFactory().get("/"))
