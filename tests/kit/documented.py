"""What the documentation shows, above all docs/deployment.rst, for the tests to run."""

import re
import textwrap

from tests.kit.programs import ROOT


def text_of(page):
    """Return the text of a page, by its path below docs/ without the suffix."""
    return (ROOT / "docs" / f"{page}.rst").read_text()


def blocks(language, text):
    """Return all code blocks of a language (a regular expression) in a text."""
    pattern = rf"^\.\. code-block:: (?:{language})\n\n((?:    .*\n|\n)+)"
    return [textwrap.dedent(found) for found in re.findall(pattern, text, re.MULTILINE)]


TEXT = text_of("deployment")
NGINX, NGINX_LIMITS = blocks("nginx", TEXT)
(NGINX_METRICS,) = blocks("nginx", text_of("monitoring"))
(SPLIT,) = blocks("nginx", text_of("deployment/split"))
(SEVERAL_HOSTS,) = blocks("nginx", text_of("deployment/several-hosts"))
(APACHE,) = blocks("apache", text_of("deployment/apache"))
(CADDY,) = blocks("text", text_of("deployment/caddy"))
(HAPROXY,) = blocks("text", text_of("deployment/haproxy"))
SOCKET_UNIT, SERVICE_UNIT = blocks("ini", text_of("deployment/systemd"))
(TMPFILES,) = blocks("text", text_of("deployment/supervisor"))
(SUPERVISOR,) = blocks("ini", text_of("deployment/supervisor"))
(UWSGI,) = blocks("ini", text_of("deployment/split"))
RIGHTS = blocks("text", text_of("relay"))
CONFIGURATION, *_MODULES = blocks("python", TEXT)
"""A configuration of gunicorn."""

DJANGO = [module for module in _MODULES if "urlpatterns" not in module]
"""What a site behind nginx needs."""


def replaced(text, values):
    """Return a text with other ports and paths; each must be there."""
    for old, new in values.items():
        assert old in text, f"{old!r} is not in the documentation"
        text = text.replace(old, str(new))
    return text


def surrounded(folder, text):
    """Return a whole nginx configuration that needs no path of the system."""
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n"
        f"worker_processes 2;\nevents {{ worker_connections 4096; }}\n"
        f"http {{\naccess_log {folder}/access.log;\n{paths}{text}\n}}\n"
    )


STEP = re.compile(r"\.\. code-block:: (\S+)\n\n((?:    .*\n|\n)+)")


def tutorial_sections():
    """Return the steps of each section of the tutorial: kinds and texts of its code blocks."""
    parts = re.split(r"\n\d\. .*\n=+\n", text_of("tutorial"))[1:]
    return [[(kind, textwrap.dedent(text)) for kind, text in STEP.findall(p)] for p in parts]
