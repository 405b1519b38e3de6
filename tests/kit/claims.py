"""The code blocks of the documentation that tests of their own run."""

from tests.kit import documented
from tests.kit.programs import ROOT
from tests.kit.recipes import after, files, files_of_recipes, settings_of_recipes
from tests.reference import PAGES


def claimed():
    """Return the texts of these blocks.

    Each text comes from the function or the constant by which a test takes it.
    """
    shown = [
        *files("testing-your-site.rst").values(),
        *files("recipes/testing.rst").values(),
        *files_of_recipes().values(),
        *(text for page in _migrating() for text in after(page).values()),
        *(text for section in documented.tutorial_sections() for _, text in section),
        *_of_servers(),
    ]
    return {text.strip("\n") + "\n" for text in shown}


def is_setting_of_recipes(block):
    """Return whether a block has settings that the recipes' project has."""
    return block.page.startswith("docs/recipes/") and block.text in settings_of_recipes()


def is_made_from_source(block):
    """Return whether a block is on a page that is compared with the source."""
    return block.page.removeprefix("docs/") in {page.removesuffix(".rst") for page in PAGES}


def _migrating():
    return (ROOT / "docs" / "migrating").glob("[!i]*.rst")


def _of_servers():
    one = documented
    nginx = [one.NGINX, one.NGINX_LIMITS, one.NGINX_METRICS, one.SPLIT, one.SEVERAL_HOSTS]
    units = [one.SOCKET_UNIT, one.SERVICE_UNIT, one.SUPERVISOR, one.TMPFILES, one.UWSGI]
    proxies = [one.APACHE, one.CADDY, one.HAPROXY]
    return [*nginx, *units, *proxies, *one.RIGHTS, one.CONFIGURATION, *one.DJANGO]
