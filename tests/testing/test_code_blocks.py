"""Each code block of the documentation is run, imported or rendered by a test."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.template import engines
from django.test import RequestFactory, override_settings
from django.urls import path

from tests.kit import python_blocks
from tests.kit.claims import claimed, is_made_from_source, is_setting_of_recipes
from tests.kit.pages import all_blocks, pages
from tests.kit.programs import ROOT

NOT_RUN = {
    ("docs/deployment/docker", "docker"): "the page says that it is not tested",
    ("docs/deployment/docker", "yaml"): "the page says that it is not tested",
    ("docs/monitoring", "promql"): "rules of another program, Prometheus",
    ("docs/monitoring", "text"): "what commands print, whose tests are in tests/monitoring/",
    ("docs/operations", "text"): "a line of the log, which test_watchdog.py compares",
}
"""Blocks that no test runs, and why."""

ELSEWHERE = {"javascript": "tests/clients/browser/test_documented_scripts.py"}
"""Modules that run all blocks of a language."""

CLAIMED = claimed()
BLOCKS = all_blocks()
OTHERS = [
    block
    for block in BLOCKS
    if block.text not in CLAIMED
    and block.section != "Before"  # in docs/migrating/: code of other packages
    and not is_made_from_source(block)
    and not is_setting_of_recipes(block)
]
PROGRAMS = {
    *("pip", "python", "gunicorn", "uvicorn", "wstest"),
    *("systemctl", "systemd-tmpfiles", "supervisorctl"),
}


def of(*languages):
    found = [block for block in OTHERS if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=str)


def test_no_block_is_forgotten():
    """A new one is claimed in tests/kit/claims.py, or named in ``NOT_RUN`` with a reason."""
    run = {"python", "html", "html+django", "console", *ELSEWHERE}
    forgotten = [
        str(block)
        for block in OTHERS
        if block.language not in run
        and (block.page, block.language) not in NOT_RUN
        and not block.text.startswith(python_blocks.SIGNATURE)
    ]
    assert forgotten == []
    assert {(block.page, block.language) for block in OTHERS} >= set(NOT_RUN)


def test_every_block_is_found():
    text = "\n".join(path.read_text() for path in pages())
    directives = re.findall(r"^ *\.\. code-block::", text, re.MULTILINE)
    literal = re.findall(r"^(?! *\.\.).*::\n(?=\n +\S)", text, re.MULTILINE)
    assert len(BLOCKS) == len(directives) + len(literal)


def test_claims_are_of_blocks_that_exist():
    assert len(BLOCKS) - len(OTHERS) > 80
    assert all((ROOT / module).exists() for module in ELSEWHERE.values())


@of("python")
def test_python(block):
    python_blocks.check(block.text)


@pytest.mark.parametrize(
    "block",
    [block for block in OTHERS if block.text.startswith(python_blocks.SIGNATURE)],
    ids=str,
)
def test_a_signature_is_that_of_the_function(block):
    if block.language == "text":
        python_blocks.check_signature(block.text)


TEMPLATES = {"chat/message.html": "<li>{{ message }}</li>"}

urlpatterns = [path("orders/", lambda request: None, name="change_order")]


@of("html", "html+django")
def test_a_template(block):
    folders = "django.template.loaders.app_directories.Loader"
    loaders = [("django.template.loaders.locmem.Loader", TEMPLATES), folders]
    options = {"loaders": loaders}
    backend = {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": options}
    request = RequestFactory().get("/")
    request.session = request.user = None
    text = block.text if "{% load" in block.text else "{% load socketio_tags %}" + block.text
    text = re.sub(r"(?<=pk) as ", " anyone=True as ", text)
    with override_settings(TEMPLATES=[backend], ROOT_URLCONF=__name__):
        context = {"order": {"pk": 7}, "room": {"pk": 7}, "channel": "order-7", "pk": 7}
        shown = engines["django"].from_string(text).render(context, request)
    assert "{%" not in shown


@of("console")
def test_commands_exist(block):
    for line in block.text.splitlines():
        words = re.sub(r"#.*", "", line).split()
        while "=" in words[0]:
            words.pop(0)
        check_command(*words)


def check_command(program, *arguments):
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "manage.py" or arguments[:1] == ("manage.py",):
        command = arguments[program != "manage.py"]
        assert command in get_commands()
    elif program == ".venv/bin/python":
        assert arguments[:2] == ("-m", "pytest")
        assert all(Path(ROOT / path).exists() for path in arguments[2:])
    else:
        assert program in PROGRAMS
