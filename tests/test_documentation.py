"""docs/testing.rst says of every kind of test where it goes."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "testing.rst").read_text()
SECTION = PAGE.partition("Where a new test goes\n")[2].partition("\nLifecycles\n")[0]
NAMED = set(re.findall(r"``(tests/[\w./]+)``", SECTION))


def test_every_folder_of_tests_is_named():
    folders = {f"tests/{path.parent.name}/" for path in TESTS.glob("*/test_*.py")}
    assert folders <= NAMED


def test_every_name_exists():
    assert [name for name in NAMED if not (TESTS.parent / name).exists()] == []
