"""Every version of gevent, Django and gunicorn has the private parts that the server uses."""

import io
import socket

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test.utils import setup_test_environment, teardown_test_environment
from django.urls import path, re_path
from django.urls.resolvers import LocalePrefixPattern
from django.utils.translation import gettext_lazy
from gevent import pywsgi

from django_socketio.server import pywsgi as ours
from django_socketio.server.compat import django, gevent, gunicorn

METHODS = [(kind, name) for kind, names in gevent.OVERRIDDEN.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_pywsgi_has_the_methods_that_are_overridden(kind, name):
    assert callable(getattr(getattr(pywsgi, kind), name))


@pytest.mark.parametrize(
    ("own", "kind"),
    [(ours.RequestHandler, "WSGIHandler"), (ours.Body, "Input"), (ours.HTTPServer, "WSGIServer")],
)
def test_all_methods_that_are_overridden_are_listed(own, kind):
    others = vars(getattr(pywsgi, kind))
    overridden = {
        name
        for name, value in vars(own).items()
        if callable(value) and callable(others.get(name)) and name[:2] != "__"
    }
    promised = {"close", "stop"}  # documented for all of gevent's servers
    classes = {"MessageClass", "handler_class"}
    assert overridden - promised - classes <= set(gevent.OVERRIDDEN[kind])


def test_a_server_is_waited_for():
    server = pywsgi.WSGIServer(("127.0.0.1", 0), lambda *args: [])
    server.start()
    server.stop()
    gevent.wait_until_stopped(server)


def test_a_send_that_waits_is_seen():
    import gevent as library
    from gevent.socket import socketpair

    near, far = socketpair()
    with near, far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        assert not gevent.waits_to_write(near)
        sends = library.spawn(near.sendall, b"x" * 10_000_000)
        library.sleep(0)
        assert gevent.waits_to_write(near)
        sends.kill()
        assert not gevent.waits_to_write(near)


def test_a_request_forgets_its_body():
    body = io.BytesIO(b"123456789")
    request = WSGIRequest({"REQUEST_METHOD": "PUT", "wsgi.input": body, "CONTENT_LENGTH": "9"})
    django.drop_body(request)
    assert request.read() == b""


def test_the_configuration_that_sets_a_worker_up_is_found():
    from gunicorn.config import Config

    class Worker:
        @classmethod
        def setup(cls):
            found.append(gunicorn.config_of_setup())

    found = []
    config = Config()
    config.set("worker_class", Worker)
    assert config.worker_class is Worker
    assert found == [config]


def test_the_environment_of_a_test_runner_is_known():
    assert not django.is_running_tests()
    setup_test_environment()
    try:
        assert django.is_running_tests()
    finally:
        teardown_test_environment()
    assert not django.is_running_tests()


def test_texts_of_url_patterns_that_are_the_same_in_all_languages_are_known():
    fixed = [path("a/", print), re_path("^a/$", print)]
    lazy = gettext_lazy("a/")
    assert all(django.has_fixed_text(one.pattern) for one in fixed)
    assert not any(django.has_fixed_text(kind(lazy, print).pattern) for kind in (path, re_path))
    assert not django.has_fixed_text(LocalePrefixPattern())
