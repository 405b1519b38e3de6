"""Which changes a process notices that waits until its code is mended."""

import os
import sys
import time

import pytest

from django_socketio.server.reloader.failures import Code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of modules, the last one that Python looks in."""
    (tmp_path / "module.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def add_package(folder):
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()


CHANGES = {
    "written": lambda folder: os.utime(folder / "module.py", (0, time.time() + 1)),
    "removed": lambda folder: (folder / "module.py").unlink(),
    "module": lambda folder: (folder / "further.py").touch(),
    "package": add_package,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change(folder, change):
    code = Code(time.time() + 1_000)
    assert not code.has_changed()
    CHANGES[change](folder)
    assert code.has_changed()


@pytest.mark.parametrize(("seconds_ago", "has_changed"), [(100, False), (5, True), (-1_000, False)])
def test_a_module_that_was_written_after_the_start(folder, seconds_ago, has_changed):
    now = time.time()
    os.utime(folder / "module.py", (0, now - seconds_ago))
    assert Code(now - 10 if has_changed else now).has_changed() is has_changed
