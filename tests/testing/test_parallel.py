"""What comes from the process of a test to that of the test runner (``test --parallel``)."""

import copy
import pickle

import pytest
from django.test import SimpleTestCase, override_settings

from django_socketio import CallTimeout, RelayGap, WrongArguments
from django_socketio.events.handlers import check_arguments
from django_socketio.testing import Refused, SocketClient, Unanswered


def wrong_arguments():
    with pytest.raises(WrongArguments) as caught:
        check_arguments(lambda request: None, (1, 2), 1)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        wrong_arguments(),
        RelayGap("room-1"),
        Refused("no", {"message": "no"}, 403),
        Unanswered("no"),
        CallTimeout("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_sent_to_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))
    kept = {name: value for name, value in vars(error).items() if not callable(value)}
    assert vars(copy) == kept


class TestCasesWithClients(SimpleTestCase):
    """Django sends the test case of a subtest that has failed."""

    @override_settings(
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    def test_a_client_is_sent_as_a_text_and_copied_as_a_client(self):
        client = SocketClient()
        copied = copy.deepcopy(client).connect()
        assert (client.connected, copied.connected) == (False, True)
        assert pickle.loads(pickle.dumps(copied)) == repr(copied)
