"""Many changes of users and groups at once: the sockets are looked through for all of them."""

import pytest
from django.contrib.auth.models import Group, User
from django.db.models.signals import post_delete, post_save

from django_socketio.events import may_subscribe, on_connect
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until

NUMBER = 50


class People:
    """A backend without a database."""

    def get_user(self, id):
        return User(pk=id, password="x")


def change_a_user(number):
    post_save.send(User, instance=User(pk=number % 2), using="default")


def delete_a_group(number):
    post_delete.send(Group, instance=Group(pk=number), using="default")


@pytest.mark.parametrize("change", [change_a_user, delete_a_group])
def test_channels_are_reviewed_together_for_many_changes(serve, change):
    server = serve(django={"AUTHENTICATION_BACKENDS": [f"{__name__}.People"]})
    asked = []

    @on_connect
    def log_in(request, socket, context):
        socket.login(People().get_user(socket.auth["user"]))

    @may_subscribe
    def may_have(request, channel):
        asked.append(request.user.pk)
        return True

    clients = [WebSocketClient(server.port) for _ in range(2)]
    for number, client in enumerate(clients):
        client.connect(auth={"user": number})
        assert client.subscribe("room") is True
    asked.clear()
    server.call(lambda: [change(number) for number in range(NUMBER)])
    wait_until(lambda: set(asked) == {0, 1})
    for client in clients:
        client.sync()
    assert len(asked) < NUMBER
