"""The documentation lists what there is: kinds of tests, identifiers of system checks."""

import ast
import re
from pathlib import Path

import pytest

import django_socketio
from django_socketio import conf, events, testing
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.transports.http import ErrorCode
from tests import reference

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "testing.rst").read_text()
SECTION = PAGE.partition("Where a new test goes\n")[2].partition("\nLifecycles\n")[0]
CHECKS = "django_socketio/checks"
NAMED = set(re.findall(r"``(tests/[\w./]*)``", SECTION))


def test_every_folder_of_tests_is_named():
    folders = {f"{path.parent.relative_to(TESTS.parent)}/" for path in TESTS.rglob("test_*.py")}
    assert len(folders) > 10
    assert folders <= NAMED


def test_every_name_exists():
    assert [name for name in NAMED if not (TESTS.parent / name).exists()] == []


def test_every_system_check_is_explained():
    root = TESTS.parent
    page = (root / "docs" / "operations.rst").read_text()
    explained = re.findall(r"^``(django_socketio\.[EIW]\d+)``", page, re.MULTILINE)
    source = "".join(path.read_text() for path in (root / CHECKS).glob("*.py"))
    reported = re.findall(r'"(django_socketio\.[EIW]\d+)"', source)
    assert sorted(explained) == sorted(set(reported))


@pytest.mark.parametrize(
    ("check", "names"),
    [
        ("E003", {"RELAY_URL", "TRACING"}),
        ("W003", {"CLIENT_EVENTS", "HISTORY", "PRESENCE", "SIGNED_ONLY"}),
    ],
)
def test_a_check_is_explained_with_all_settings_that_it_examines(check, names):
    page = (TESTS.parent / "docs" / "operations.rst").read_text()
    row = page.partition(f"``django_socketio.{check}``")[2].partition("``django_socketio.")[0]
    assert set(re.findall(r"SOCKETIO_([A-Z_]+)", row)) == names


def test_the_page_of_defences_begins_with_those_that_a_site_has_to_turn_on():
    page = (TESTS.parent / "docs" / "security.rst").read_text()
    beginning = page.partition("\nAllowed origins\n")[0]
    no_defences = {"ALLOWED_HEADERS", "RELAY_URL"}
    off = {
        name
        for name in re.findall(r"SOCKETIO_([A-Z_]+)", page)
        if conf.SETTINGS[name].default in (None, False)
    }
    named = set(re.findall(r"SOCKETIO_([A-Z_]+)", beginning))
    assert named == {name for name in off - no_defences if not name.endswith("_RATE")}
    assert "all rates" in beginning


NAMED_TESTS = re.compile(r"``(?:tests/[\w/]*/)?(test_\w+\.py)::(test_\w+?)(?:_?…)?``")


def test_every_test_that_the_page_of_defences_names_exists():
    page = (TESTS.parent / "docs" / "security.rst").read_text()
    named = NAMED_TESTS.findall(page)
    assert len(named) > 10
    texts = {path.name: path.read_text() for path in TESTS.rglob("test_*.py")}
    assert [test for module, test in named if f"def {test}" not in texts[module]] == []


@pytest.mark.parametrize("page", ["README.rst", "docs/tutorial.rst"])
def test_who_begins_reads_on_which_systems_the_package_runs(page):
    root = TESTS.parent
    assert "Operating System :: POSIX" in (root / "pyproject.toml").read_text()
    text = (root / page).read_text()
    assert "POSIX" in text
    assert re.findall(r"(?i)on Windows, [\w ]+", text) == ["on Windows, use WSL"]


ARCHITECTURE = (TESTS.parent / "docs" / "architecture.rst").read_text()
PACKAGE = TESTS.parent / "django_socketio"
STEPS = sorted(set(re.findall(r"``([\w/]+\.py):([\w.]+)``", ARCHITECTURE)))


def members(tree):
    """Yield the names of a module's functions and classes, and of their members."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{member}" for member in members(node))


@pytest.mark.parametrize(("path", "name"), STEPS, ids=str)
def test_every_step_of_the_flows_exists(path, name):
    assert name in members(ast.parse((PACKAGE / path).read_text()))


def test_every_module_that_the_description_of_the_rooms_names_exists():
    rooms = ARCHITECTURE.partition("\nRooms\n")[2].partition("\nThe flows\n")[0]
    room, missing = PACKAGE, []
    for line in rooms.splitlines():
        if re.match(r"``[\w/.]+``", line):
            room = PACKAGE / re.findall(r"``([\w/.]+)``", line)[-1]
            room = room if room.is_dir() else PACKAGE
        for name in re.findall(r"``([\w/]+(?:\.py|/))``", line):
            places = room / name, PACKAGE / name, TESTS.parent / name
            missing += [] if any(place.exists() for place in places) else [name]
    assert missing == []


def test_the_options_of_the_browser_client_are_listed_with_their_defaults():
    page = (TESTS.parent / "docs" / "browser.rst").read_text()
    rows = re.findall(r"^``(\w+)`` +(\S.*?)  ", page, re.MULTILINE)
    script = (PACKAGE / "static" / "django_socketio" / "socketio.js").read_text()
    defaults = re.search(r"const DEFAULTS = \{(.*?)\};", script, re.DOTALL)[1]
    expected = dict(re.findall(r"(\w+): (\[.*?\]|[\w.]+)", defaults))
    expected["transports"] = "websocket, polling"
    listed = {name: value.strip("`") for name, value in rows}
    assert {name: listed.get(name) for name in expected} == expected
    fallback = int(re.search(r"const FALLBACK_DELAY = (\d+);", script)[1])
    row = page.partition("``timeout``  ")[2].partition("\n``")[0]
    assert f"{fallback:,} while another transport can be tried" in " ".join(row.split())
    read = set(re.findall(r"\boptions\.(\w+)", script))
    assert read - {"href"} <= set(listed)


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_page_of_the_reference_is_that_of_the_source(page):
    """``python -m tests.reference`` writes these pages."""
    assert (TESTS.parent / "docs" / page).read_text() == reference.PAGES[page]()


def test_each_setting_is_described_and_has_a_group():
    assert [name for name, setting in conf.SETTINGS.items() if not setting.about] == []
    assert set(reference.GROUPS) <= set(conf.SETTINGS)


def test_what_the_client_of_the_browser_is_said_to_lack_is_missing():
    script = (PACKAGE / "static" / "django_socketio" / "socketio.js").read_text()
    page = (TESTS.parent / "docs" / "browser.rst").read_text()
    section = page.partition("\nWhat the official client has besides\n")[2].partition("\nA client")[
        0
    ]
    lacking = set(re.findall(r"``(\w+)``", section)) - {"on", "once", "off"}
    assert len(lacking) > 10
    assert [name for name in lacking if re.search(rf"^    (get )?{name}\b", script, re.M)] == []
    assert [name for name in lacking if re.search(rf"\boptions\.{name}\b", script)] == []


def documented_objects():
    page = (TESTS.parent / "docs" / "reference.rst").read_text()
    found = re.findall(r"^\.\. auto(?:function|class|data|exception):: (\S+)", page, re.MULTILINE)
    return {name.rpartition(".")[2] for name in found}


def test_the_reference_has_the_public_names_and_no_others():
    from django_socketio.templatetags import socketio_tags

    decorators = {name for name in vars(events) if name.startswith("on_")}
    tags = set(socketio_tags.register.tags)
    public = {*django_socketio.__all__, *testing.__all__, *decorators, *tags}
    others = {"may_subscribe", "presence_info", "Namespace", "live", "ready"}
    assert documented_objects() == public | others


def test_the_page_of_the_browser_has_all_methods_of_the_client():
    script = (PACKAGE / "static" / "django_socketio" / "socketio.js").read_text()
    page = (TESTS.parent / "docs" / "browser.rst").read_text()
    classes = script[script.index("class Sender") :]
    members = re.findall(r"^    (?:get )?([a-z]\w+)(?:\(.*\))? \{", classes, re.MULTILINE)
    missing = {name for name in members if not re.search(rf"\b{name}\b", page)}
    assert missing - {"constructor", "open", "close", "handlers"} == set()


SOURCE = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))


def test_every_reason_of_a_refusal_is_listed():
    page = (TESTS.parent / "docs" / "monitoring.rst").read_text()
    section = page.partition("\nRefusals\n")[2].partition("\nRecoveries\n")[0]
    codes = {code.name.lower().replace("_", " ") for code in ErrorCode} - {"forbidden"}
    given = set(re.findall(r'(?:reason=|REFUSALS\.add\()"([a-z ]+)"', SOURCE))
    assert codes | given <= set(re.findall(r"^``([a-z ]+)``", section, re.MULTILINE))


def test_every_reason_of_an_end_is_listed():
    page = (TESTS.parent / "docs" / "operations.rst").read_text()
    section = page.partition("\nReasons of an end\n")[2].partition("\nSoak test\n")[0]
    reasons = {value for name, value in vars(Reason).items() if name.isupper()}
    assert reasons == set(re.findall(r'^``"([a-z ]+)"``', section, re.MULTILINE))
