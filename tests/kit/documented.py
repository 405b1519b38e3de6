"""What the documentation shows, above all docs/deployment.rst, for the tests to run."""

import re
import textwrap

from tests.kit.programs import ROOT

TEXT = (ROOT / "docs" / "deployment.rst").read_text()


def blocks(language, text=TEXT):
    """Return all code blocks of a language (a regular expression) in a page."""
    pattern = rf"^\.\. code-block:: (?:{language})\n\n((?:    .*\n|\n)+)"
    return [textwrap.dedent(found) for found in re.findall(pattern, text, re.MULTILINE)]


NGINX, SPLIT, SEVERAL_HOSTS = blocks("nginx")
CONFIGURATION, *DJANGO = blocks("python")
"""A configuration of gunicorn, and what a site behind nginx needs."""


def replaced(text, values):
    """Return a text with other ports and paths; each must be there."""
    for old, new in values.items():
        assert old in text, f"{old!r} is not in docs/deployment.rst"
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
