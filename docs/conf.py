"""The documentation site: ``make docs``."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")

import django  # noqa: E402

import django_socketio  # noqa: E402

django.setup()

project = "django-socketio"
release = version = django_socketio.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"django-socketio {version}"
html_show_copyright = html_show_sphinx = False
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

_PAGE = re.compile(r"``docs/([\w/-]+)\.rst``")


def _link(found):
    """Return a link to a page in as many characters as its path had: tables depend on them."""
    return f":doc:`/{found[1]}`".ljust(len(found[0]))


def link_pages(app, name, content):
    """Turn the paths of pages, which readers of the source follow, into links."""
    content[0] = _PAGE.sub(_link, content[0])


def read_readme(app, path, parent, content):
    """Find the pictures and the pages that the README names."""
    content[0] = _PAGE.sub(_link, content[0].replace(".. image:: docs/", ".. image:: "))


def setup(app):
    """Connect the functions of this module."""
    app.connect("source-read", link_pages)
    app.connect("include-read", read_readme)
