"""The page of the sockets among those of the admin."""

import pytest
from django.test import Client

from tests.kit.admin import admin_site, staff

PAGE = "/admin/socketio_dashboard/dashboard/"


@pytest.fixture(scope="module", autouse=True)
def _site():
    with admin_site():
        yield


@pytest.fixture(scope="module")
def root():
    return staff("root", is_superuser=True)


@pytest.fixture
def client(root):
    client = Client()
    client.force_login(root)
    return client


def test_an_entry_of_the_log_has_no_link(client, root):
    from django_socketio.dashboard.access import log

    log(root, "channel room-1 (/)", "Sent 'notice' to channel room-1 (/)")
    index = client.get("/admin/").text
    assert "channel room-1 (/)" in index
    assert f'href="{PAGE}"' in index
    assert f'href="{PAGE}channel' not in index


@pytest.mark.parametrize("path", ["add/", "1/", "1/change/", "1/history/", "1/delete/"])
def test_there_are_no_pages_of_objects(client, path):
    assert client.get(PAGE).status_code == 200
    assert client.get(PAGE + path).status_code == 404
