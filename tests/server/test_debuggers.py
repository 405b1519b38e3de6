"""Which stacks are those of a debugger that waits."""

import sys
from bdb import Bdb

import pytest
from django.utils.functional import SimpleLazyObject

from django_socketio.server.debuggers import is_debugged


class Debugger(Bdb):
    def wait(self):
        return is_debugged(sys._getframe())


@pytest.mark.parametrize("module", ["pydevd", "_pydevd_bundle.pydevd_frame"])
def test_the_debuggers_of_editors_are_known_by_their_modules(module):
    names = {"__name__": module, "is_debugged": is_debugged, "sys": sys}
    exec("def wait(): return is_debugged(sys._getframe())", names)
    assert names["wait"]()


def test_pdb_and_its_like_are_known_by_their_class():
    assert Debugger().wait()


def test_other_code_is_none():
    assert not is_debugged(sys._getframe())


def test_lazy_objects_are_not_evaluated():
    def evaluate():
        asked.append(is_debugged(sys._getframe()))
        return "user"

    asked = []
    assert str(SimpleLazyObject(evaluate)) == "user"
    assert asked == [False]
