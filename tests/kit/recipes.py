"""The code that pages of the documentation show, written into one Django project."""

import re

from tests.kit.documented import blocks
from tests.kit.programs import ROOT

NAME = re.compile(r"(?:# |\{# )(\w+(?:/\w+)+\.(?:py|html))(?: #\})?\n")

RECIPES = ["chat", "notification", "progress", "dashboard", "parcels"]
"""Recipes of fewer than 20 lines."""

LARGER = ["cursors", "answer", "upload", "mobile", "tenants"]
"""Recipes of about 20 lines of Python, and a page."""

SETTINGS = """
from tests.project.settings import *
SESSION_ENGINE = "django.contrib.sessions.backends.db"
INSTALLED_APPS = [*INSTALLED_APPS[:-1], *{apps!r}]
ROOT_URLCONF = "mysite.urls"
SOCKETIO_RELAY_URL = {relay!r}
TEMPLATES[0]["OPTIONS"]["context_processors"].append("django.contrib.auth.context_processors.auth")
"""


def files(page):
    """Return the files that a page shows, by their path; their first line is a comment with it."""
    return files_in((ROOT / "docs" / page).read_text())


def files_in(text):
    """Return the files that a text shows, as ``files`` does for a page."""
    shown = blocks(r"python|html\+django", text)
    return {NAME.match(block)[1]: block for block in shown if NAME.match(block)}


def after(page):
    """Return the files under "After" in a page of docs/migrating/, by its path."""
    return files_in(page.read_text().partition("\nAfter\n=====\n")[2])


def files_of_recipes():
    """Return the files of all recipes, and the URL configuration that shows their pages."""
    shown = files("recipes/index.rst")
    for recipe in RECIPES + LARGER:
        shown |= files(f"recipes/{recipe}.rst")
    return shown | {"answers/model.py": MODEL}


CELERY = """
from celery import Celery
app = Celery("mysite", set_as_current=True)
app.conf.task_always_eager = app.conf.task_eager_propagates = True
"""
"""Runs tasks at once, in the process that asks for them."""

MODEL = "def pieces_of(question):\n    yield from question.split()\n"
"""Takes the place of a language model."""


def settings_of_recipes():
    """Return the settings that the recipes show."""
    pages = [(ROOT / "docs" / "recipes" / f"{name}.rst").read_text() for name in RECIPES + LARGER]
    shown = [block for page in pages for block in blocks("python", page)]
    return "".join(block for block in shown if block.startswith("# settings.py\n"))


def write_project(folder, shown, relay=None, settings=""):
    """Write files and the settings of their project, which end with ``settings``.

    Returns:
        The names of the apps, and the environment in which Django finds them.

    """
    for name, text in shown.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    packages = {name.partition("/")[0] for name in shown}
    for package in packages:
        (folder / package / "__init__.py").touch()
    apps = sorted(packages - {"mysite"})
    (folder / "site_settings.py").write_text(SETTINGS.format(apps=apps, relay=relay) + settings)
    return apps, {"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "site_settings"}
