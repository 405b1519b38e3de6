"""The sockets that a user of the page in the admin means."""

import pytest
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db.models import UUIDField

from django_socketio.dashboard import targets
from django_socketio.dashboard.targets import NotFound, find


class Members:
    """Has no user; checks the form of primary keys, as the managers of Django do."""

    USERNAME_FIELD = "email"
    DoesNotExist = ObjectDoesNotExist
    MultipleObjectsReturned = MultipleObjectsReturned

    def get(self, email=None, pk=None):
        UUIDField().to_python(pk)
        raise self.DoesNotExist

    @property
    def _default_manager(self):
        return self


@pytest.mark.parametrize("name", ["ann", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"])
def test_an_unknown_user_is_told_whatever_the_form_of_primary_keys(monkeypatch, name):
    monkeypatch.setattr(targets, "get_user_model", Members)
    with pytest.raises(NotFound, match=f"There is no user '{name}'"):
        find({"kind": "user", "value": name, "namespace": "/"})


def test_a_name_of_several_users_asks_for_the_primary_key(monkeypatch):
    class Namesakes(Members):
        def get(self, email=None, pk=None):
            raise self.MultipleObjectsReturned

    monkeypatch.setattr(targets, "get_user_model", Namesakes)
    with pytest.raises(NotFound, match="Several users are called 'ann': choose one by its primary"):
        find({"kind": "user", "value": "ann", "namespace": "/"})


def test_a_namespace_gets_its_slash():
    target = find({"kind": "channel", "value": "a", "namespace": "shop"})
    assert (target.namespace, str(target)) == ("/shop", "channel a (/shop)")


@pytest.mark.parametrize(
    "asked", [None, {}, {"kind": "user", "value": "", "namespace": "/"}, ["channel", "x", "/"]]
)
def test_what_names_no_sockets_is_told(asked):
    with pytest.raises(NotFound, match="Choose a channel"):
        find(asked)
