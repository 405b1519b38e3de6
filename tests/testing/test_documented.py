"""The examples of the documentation, and the tests of the example project, by Django's runner."""

import re
import subprocess
import sys
import textwrap

from tests.kit.programs import ROOT

FILE = re.compile(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", re.MULTILINE)
NAME = re.compile(r"# (\w+/\w+\.py)\n")

SETTINGS = """
from tests.project.settings import *
SESSION_ENGINE = "django.contrib.sessions.backends.db"
INSTALLED_APPS = [*INSTALLED_APPS[:-1], *{apps!r}]
ROOT_URLCONF = "django_socketio.urls"
SOCKETIO_RELAY_URL = "redis://127.0.0.1:1"
"""


def files(page):
    """Return the modules that a page shows, by their path."""
    blocks = map(textwrap.dedent, FILE.findall((ROOT / "docs" / page).read_text()))
    return {NAME.match(block)[1]: block for block in blocks if NAME.match(block)}


def files_of_readme():
    """Return the handler of the quick start and the test of the section "Tests"."""
    readme = (ROOT / "README.rst").read_text()
    handler = readme.partition("The package imports these modules::\n\n")[2].partition("\n3. ")[0]
    test = readme.partition("``docs/testing-your-site.rst``)::\n\n")[2].partition("\nSeveral")[0]
    return {"room/events.py": textwrap.dedent(handler), "room/tests.py": textwrap.dedent(test)}


def run(folder, *arguments, **options):
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, **options
    )


def test_the_examples_pass(tmp_path):
    shown = files("testing-your-site.rst") | files("recipes/testing.rst") | files_of_readme()
    apps = sorted({name.partition("/")[0] for name in shown})
    for app in apps:
        (tmp_path / app).mkdir()
        (tmp_path / app / "__init__.py").touch()
    for name, text in shown.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "site_settings.py").write_text(SETTINGS.format(apps=apps))
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "site_settings"}
    done = run(tmp_path, "-W", "error", "-m", "django", "test", *apps, env=environment)
    assert done.returncode == 0, done.stderr
    assert (len(shown), "Ran 6 tests" in done.stderr) == (9, True), done.stderr


def test_the_tests_of_the_example_project_pass(tmp_path):
    done = run(
        ROOT / "example_project", "-W", "error", "manage.py", "test", env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 5 tests" in done.stderr


def test_the_recipe_is_short():
    for text in files("recipes/testing.rst").values():
        assert len([line for line in text.splitlines()[1:] if line.strip()]) < 20
