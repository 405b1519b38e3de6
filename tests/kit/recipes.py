"""The code that pages of the documentation show, written into one Django project."""

import re

from tests.kit.documented import blocks
from tests.kit.programs import ROOT

NAME = re.compile(r"(?:# |\{# )(\w+(?:/\w+)+\.(?:py|html))(?: #\})?\n")

RECIPES = ["chat", "notification", "progress", "dashboard"]

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
    shown = blocks(r"python|html\+django", (ROOT / "docs" / page).read_text())
    return {NAME.match(block)[1]: block for block in shown if NAME.match(block)}


def files_of_recipes():
    """Return the files of all recipes, and the URL configuration that shows their pages."""
    shown = files("recipes/index.rst")
    for recipe in RECIPES:
        shown |= files(f"recipes/{recipe}.rst")
    return shown


def write_project(folder, shown, relay=None):
    """Write files and the settings of their project.

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
    (folder / "site_settings.py").write_text(SETTINGS.format(apps=apps, relay=relay))
    return apps, {"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "site_settings"}
