"""docs/api-stability.rst names the public API as it is."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import django_socketio
from django_socketio import events, testing

PAGE = (Path(django_socketio.__file__).parent.parent / "docs" / "api-stability.rst").read_text()
TABLE = PAGE.partition("Public API\n")[2].partition("Public as well")[0]
NAMES = re.findall(r"``(django_socketio\.[\w.]+)``", TABLE)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_can_be_imported(name):
    module, _, attribute = name.rpartition(".")
    if hasattr(import_module(module), attribute):
        return
    import_module(name)


def test_all_that_the_package_exports_is_public():
    exported = {f"django_socketio.{name}" for name in django_socketio.__all__}
    assert exported <= set(NAMES)


def test_all_that_the_tools_for_tests_export_is_public():
    exported = {f"django_socketio.testing.{name}" for name in testing.__all__}
    assert exported == {name for name in NAMES if name.startswith("django_socketio.testing.")}


def test_all_decorators_of_events_are_public():
    decorators = {
        f"django_socketio.events.{name}"
        for name, value in vars(events).items()
        if isinstance(
            value, (events.Event, events.NamedEvents, events.Predicates, events.JoinEvents)
        )
    }
    assert decorators == {name for name in NAMES if name.startswith("django_socketio.events.")}
