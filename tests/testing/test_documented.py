"""The examples of the documentation, and the tests of the example project, by Django's runner."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.kit.programs import ROOT
from tests.kit.recipes import (
    CELERY,
    LARGER,
    RECIPES,
    files,
    files_of_recipes,
    settings_of_recipes,
    write_project,
)

CASES = Path(__file__).with_name("recipe_cases.py")

ROOM = """
from django.test import TestCase
from django_socketio.testing import SocketClient

class RoomTests(TestCase):
    def test_a_message_reaches_the_room(self):
        ann, bob = SocketClient().connect(), SocketClient().connect()
        for client in (ann, bob):
            client.subscribe("room-1")
        ann.channel("room-1").send("hello")
        bob.assert_received("message", "hello")
"""


def files_of_readme():
    """Return the handler of the quick start, and a test of it."""
    readme = (ROOT / "README.rst").read_text()
    handler = readme.partition("The package imports these modules::\n\n")[2].partition("\n3. ")[0]
    return {"room/events.py": textwrap.dedent(handler), "room/tests.py": ROOM}


def run(folder, *arguments, **options):
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, **options
    )


def test_the_examples_pass(tmp_path):
    shown = files("testing-your-site.rst") | files("recipes/testing.rst") | files_of_readme()
    shown |= files_of_recipes()
    added = {"recipes/tests.py": CASES.read_text(), "mysite/__init__.py": CELERY}
    settings = settings_of_recipes()
    apps, environment = write_project(tmp_path, shown | added, "redis://127.0.0.1:1", settings)
    done = run(tmp_path, "-W", "error", "-m", "django", "test", *apps, env=environment)
    assert done.returncode == 0, done.stderr
    assert (len(shown), "Ran 24 tests" in done.stderr) == (36, True), done.stderr


def test_the_tests_of_the_example_project_pass(tmp_path):
    done = run(
        ROOT / "example_project", "-W", "error", "manage.py", "test", env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"Ran [1-9]\d+ tests", done.stderr)


def lines(text):
    """Return the lines of a file of a page, without comments (the file's name) and empty ones."""
    return [line for line in text.splitlines() if not re.match(r"\s*($|# |\{# )", line)]


def test_the_files_of_the_recipe_for_tests_are_short():
    for text in files("recipes/testing.rst").values():
        assert len(lines(text)) < 20


@pytest.mark.parametrize("recipe", LARGER)
def test_a_larger_recipe_has_about_20_lines_of_python(recipe):
    shown = files(f"recipes/{recipe}.rst").items()
    assert sum(len(lines(text)) for name, text in shown if name.endswith(".py")) <= 25
    assert all(len(lines(text)) < 20 for _, text in shown)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_less_than_20_lines(recipe):
    shown = files(f"recipes/{recipe}.rst").values()
    assert 10 < sum(len(lines(text)) for text in shown) < 20


def test_the_index_names_each_recipe():
    index = (ROOT / "docs" / "recipes" / "index.rst").read_text()
    for page in (ROOT / "docs" / "recipes").glob("[!i]*.rst"):
        assert f"<{page.name}>" in index
