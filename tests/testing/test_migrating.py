"""The pages of docs/migrating/: their examples, by Django's runner."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.programs import ROOT
from tests.kit.recipes import after, write_project

PAGES = sorted((ROOT / "docs" / "migrating").glob("[!i]*.rst"))
URLS = """
from django.urls import include, path
from prices.views import Prices
from raw_echo.views import echo
urlpatterns = [
    path("", include("django_socketio.urls")),
    path("prices/", Prices.as_view()),
    path("echo/", echo),
]
"""

CASES = Path(__file__).with_name("migrating_cases.py")


def test_the_examples_pass(tmp_path):
    shown = {"migrating/tests.py": CASES.read_text(), "mysite/urls.py": URLS}
    for page in PAGES:
        assert after(page), page
        shown |= after(page)
    apps, environment = write_project(tmp_path, shown, relay="redis://127.0.0.1:1")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", *apps],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert f"Ran {len(PAGES)} tests" in done.stderr
    assert "did not end" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_index_names_the_page(page):
    assert f"<{page.name}>" in (page.parent / "index.rst").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_settings_that_a_page_names_exist(page):
    from django_socketio.conf.table import SETTINGS

    named = set(re.findall(r"``SOCKETIO_(\w+)", page.read_text()))
    assert named <= set(SETTINGS)
