"""The documentation lists what there is: kinds of tests, identifiers of system checks."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "testing.rst").read_text()
SECTION = PAGE.partition("Where a new test goes\n")[2].partition("\nLifecycles\n")[0]
CHECKS = "django_socketio/checks.py"
NAMED = set(re.findall(r"``(tests/[\w./]+)``", SECTION))


def test_every_folder_of_tests_is_named():
    folders = {f"tests/{path.parent.name}/" for path in TESTS.glob("*/test_*.py")}
    assert folders <= NAMED


def test_every_name_exists():
    assert [name for name in NAMED if not (TESTS.parent / name).exists()] == []


def test_every_system_check_is_explained():
    root = TESTS.parent
    page = (root / "docs" / "operations.rst").read_text()
    explained = re.findall(r"^``(django_socketio\.[EW]\d+)``", page, re.MULTILINE)
    reported = re.findall(r'"(django_socketio\.[EW]\d+)"', (root / CHECKS).read_text())
    assert sorted(explained) == sorted(set(reported))
