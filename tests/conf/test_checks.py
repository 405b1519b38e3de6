"""What ``manage.py check`` says of handlers, patterns, modules, URLs and servers."""

import functools
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import clear_url_caches, include, path, re_path
from django.utils import translation
from django.utils.translation import gettext_lazy

import django_socketio
from django_socketio import events, namespaces
from django_socketio.checks import (
    check_deployment,
    check_handlers,
    check_modules,
    check_open_channels,
    check_patterns,
    check_personal_channels,
    check_settings,
    check_urls,
)
from django_socketio.checks.deployment import _blocking_databases
from django_socketio.checks.patterns import fault_of
from tests.kit.programs import ROOT


def ids(messages):
    return [message.id.removeprefix("django_socketio.") for message in messages]


# Handlers


def test_a_site_without_handlers_is_told_and_not_failed():
    (message,) = check_handlers()
    assert message.id == "django_socketio.I001"
    assert not message.is_serious()
    assert "events.py" in message.hint


def three(request, socket, context):
    """Take no argument of the event."""


def four(request, socket, context, argument):
    """Take one argument."""


def any_number(*args):
    """Take any arguments."""


def two(request, socket):
    """Forget the context."""


def named(request, socket, context, *, room):
    """Want an argument by its name."""


class Callable:
    def __call__(self, request, socket, context):
        """Be called as a handler."""


@pytest.mark.parametrize(
    ("decorate", "right", "wrong"),
    [
        (events.on_connect, [three, any_number, Callable()], [four, two, named]),
        (events.on_disconnect, [three], [four, two]),
        (events.on_finish, [three], [four]),
        (events.on_message, [four, any_number], [three, two]),
        (events.on_subscribe, [four], [three]),
        (events.on_unsubscribe, [four], [three]),
        (events.on_error, [four], [three]),
        (events.on_event("named"), [three, four, any_number, functools.partial(four, 1)], []),
        (events.on_event("named"), [three], [two, named, functools.partial(three, 1, 2)]),
    ],
)
def test_handlers_that_cannot_be_called_are_errors(decorate, right, wrong):
    for function in right:
        decorate(function)
    assert ids(check_handlers()) == []
    for function in wrong:
        decorate(function)
    assert ids(check_handlers()) == ["E004"] * len(wrong)


def test_the_error_names_the_handler_its_parameters_and_the_arguments():
    events.on_message(three)
    (error,) = check_handlers()
    assert error.msg == (
        f"{__name__}.three is called with the arguments (request, socket, context, message), which "
        "it does not take: its parameters are (request, socket, context)."
    )


def swapped(socket, request, context, message):
    """Take the first arguments in another order."""


def swapped_at_the_end(request, context, socket, *args):
    """Take the second and third arguments in another order."""


def method(self, request, socket, *rest):
    """Have been a method once."""


def renamed(req, sock, ctx, message):
    """Call the arguments by names of its own."""


@pytest.mark.parametrize("function", [swapped, swapped_at_the_end, method])
def test_handlers_that_mistake_the_order_of_the_arguments_are_errors(function):
    events.on_message(function)
    (error,) = check_handlers()
    assert error.id == "django_socketio.E004"
    assert error.msg.startswith(
        f"{__name__}.{function.__name__} is called with the arguments (request, socket, context, "
        "message) in this order: its parameters are ("
    )


def test_parameters_may_have_other_names():
    events.on_message(renamed)
    assert check_handlers() == []


def test_banners_name_the_modules_of_the_handlers():
    assert events.summary() == "No handlers"
    events.on_message(four)
    assert events.summary() == f"1 handler in {__name__}"
    events.on_connect(three)
    events.on_disconnect(three)
    of_orders = types.FunctionType(three.__code__, {"__name__": "orders.events"})
    events.on_finish(of_orders)
    assert events.summary() == f"3 handlers in orders.events, {__name__}"


def test_banners_count_the_handlers_of_the_site_only():
    class Chat(namespaces.Namespace, namespace="/chat"):
        def on_connect(self):
            pass

    class Empty(namespaces.Namespace, namespace="/empty"):  # registers a handler of the package
        pass

    assert events.summary() == f"1 handler in {__name__}"
    assert len(events.all_handlers()) == 2


# Patterns


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("", "matches every channel"),
        ("^", "matches every channel"),
        ("room-{pk}", "contains '{pk}'"),
        ("room-<int:pk>", "contains '<int:pk>'"),
        ("room-<pk>", "contains '<pk>'"),
        ("room-%s", "contains '%s'"),
        ("room-*", "'-*' means any number of '-'"),
        ("^chat/*/log$", "'/*' means any number of '/'"),
        ("rooms*$", "'s*' means any number of 's'"),
        ("room^-1", "matches no channel"),
        ("room$-1", "matches no channel"),
        ("^x{201}", "matches no channel"),
    ],
)
def test_patterns_that_cannot_be_meant_are_reported(pattern, told):
    events.on_message(channel=pattern)(four)
    (warning,) = check_patterns()
    assert warning.id == "django_socketio.W007"
    assert f"channel={pattern!r}" in warning.msg
    assert told in warning.msg
    assert warning.hint


@pytest.mark.parametrize(
    "pattern",
    [
        "^room-",
        "room-1",
        r"^room-\d+$",
        "^room-.*$",
        r"^room-(?P<pk>\d+)-(?P=pk)$",
        "^(a|b)$",
        r"^\{x\}-x{2}",
        r"(?<=^)room",
        "^a*b",
        "[^-]*$",
        r"(?m)^a$\n^b",
        r"^(\w+)-\1$",
        "^room-|^chat-",
        "^(?!admin)room-",
        "^room-.",
        "^a.b",
        r"room-(?!x)\d+",
        "room-[0-9]",
        r"a(?<!b)c",
    ],
)
def test_other_patterns_are_not(pattern):
    assert fault_of(re.compile(pattern)) is None


OF_SETTINGS = {
    "CLIENT_EVENTS": lambda pattern: {pattern: ["typing"]},
    "HISTORY": lambda pattern: {pattern: {"size": 1, "seconds": 1}},
    "PRESENCE": lambda pattern: [pattern],
    "SIGNED_ONLY": lambda pattern: [pattern],
}


@pytest.mark.parametrize(
    ("pattern", "id", "told"),
    [
        ("order-{pk}", "W007", "contains '{pk}'"),
        ("room-*", "W007", "'-*' means any number of '-'"),
        ("room$-1", "W007", "matches no channel"),
        ("^(a+)+$", "W003", "takes exponential time"),
    ],
)
@pytest.mark.parametrize("name", OF_SETTINGS)
def test_patterns_of_settings_are_reported_as_those_of_handlers(name, pattern, id, told):
    with override_settings(**{f"SOCKETIO_{name}": OF_SETTINGS[name](pattern)}):
        (warning,) = check_patterns()
    assert warning.id == f"django_socketio.{id}"
    assert warning.msg.startswith(f"The pattern {pattern!r} of SOCKETIO_{name} ")
    assert told in warning.msg
    assert warning.hint


@pytest.mark.parametrize("pattern", ["", "^"])
def test_a_pattern_of_all_channels_can_be_meant_in_settings_but_one(pattern):
    for name, value_of in OF_SETTINGS.items():
        with override_settings(**{f"SOCKETIO_{name}": value_of(pattern)}):
            expected = ["W007"] if name == "CLIENT_EVENTS" else []
            assert ids(check_patterns()) == expected


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 9999 + ")" * 9999, 7])
@pytest.mark.parametrize("name", OF_SETTINGS)
def test_a_setting_whose_pattern_cannot_be_read_is_an_error_and_nothing_else(name, pattern):
    with override_settings(**{f"SOCKETIO_{name}": OF_SETTINGS[name](pattern)}):
        (error,) = check_settings()
        assert check_patterns() == []
    assert error.id == "django_socketio.E001"
    assert f"{pattern!r:.100} is no regular expression" in error.msg


# Modules


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project on the path: ``project({"chat/events.py": "…"})``."""

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))

    return write


HANDLERS = "from django_socketio.events import on_message\n"


def test_handlers_in_packages_that_are_no_apps_are_reported(project):
    project(
        {
            "mysite_of_checks/__init__.py": "",
            "mysite_of_checks/urls.py": "urlpatterns = []",
            "mysite_of_checks/events.py": HANDLERS,
            "orders/events.py": HANDLERS,
            "apps/shop/events.py": HANDLERS,
            "calendar/events.py": "# of another kind",
            "node_modules/x/events.py": HANDLERS,
            "tests/events.py": HANDLERS,
            "another_site/manage.py": "",
            "another_site/shop/events.py": HANDLERS,
            "a/b/c/d/events.py": HANDLERS,
        }
    )
    with override_settings(ROOT_URLCONF="mysite_of_checks.urls", SETTINGS_MODULE=None):
        warnings = check_modules()
    assert ids(warnings) == ["W004"] * 3
    assert [re.search(r"of (\S+)\.events", warning.msg)[1] for warning in warnings] == [
        "apps.shop",
        "mysite_of_checks",
        "orders",
    ]
    assert "Add 'orders' to INSTALLED_APPS" in warnings[2].hint


def reported(project):
    """Return the packages of a project that are reported."""
    project({"mysite_of_checks.py": "urlpatterns = []"})
    with override_settings(ROOT_URLCONF="mysite_of_checks", SETTINGS_MODULE=None):
        return [re.search(r"of (\S+)\.events", one.msg)[1] for one in check_modules()]


def test_modules_of_this_package_are_not_reported_where_it_lies_in_the_project(project, tmp_path):
    project({"orders/events.py": HANDLERS})
    (tmp_path / "django_socketio").symlink_to(Path(django_socketio.__file__).parent)
    assert reported(project) == ["orders"]


@pytest.mark.parametrize(
    ("method", "name"),
    [("iterdir", "b"), ("exists", "b/manage.py"), ("is_dir", "b"), ("read_text", "b/events.py")],
)
def test_what_may_not_be_read_hides_nothing_else(project, tmp_path, monkeypatch, method, name):
    project({f"{folder}/events.py": HANDLERS for folder in ("a", "b", "b/c", "d")})
    as_it_is = getattr(Path, method)

    def refuse(path, *args, **kwargs):
        if path == tmp_path / name:
            raise PermissionError(name)
        return as_it_is(path, *args, **kwargs)

    monkeypatch.setattr(Path, method, refuse)
    assert {"a", "d"} <= set(reported(project))


def test_modules_that_the_site_imports_itself_are_not_reported(project, monkeypatch):
    project({"site_of_checks/__init__.py": "", "site_of_checks/events.py": ""})
    import site_of_checks.events

    file = site_of_checks.events.__file__
    with open(file, "w") as module:
        module.write(HANDLERS)
    with override_settings(ROOT_URLCONF="site_of_checks", SETTINGS_MODULE=None):
        assert check_modules() == []


def test_a_site_in_a_single_file_is_checked_as_well(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "events.py").write_text(HANDLERS)
    (tmp_path / "site.py").write_text(SINGLE_FILE)
    done = subprocess.run(
        [sys.executable, "site.py", "check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert "W004" in done.stderr and done.stderr.count("(django_socketio.") == 2, done.stderr


SINGLE_FILE = """
import sys
import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import include, path
settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, INSTALLED_APPS=["django_socketio"])
django.setup()
urlpatterns = [path("", include("django_socketio.urls"))]
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
"""


# URLs

OURS = path("", include("django_socketio.urls"))


def page(request):
    return HttpResponse("page")


@pytest.fixture
def urls(monkeypatch):
    """Check a site with these URLs: ``urls([…])``."""

    def check(patterns, **settings):
        module = types.ModuleType("urls_of_checks")
        module.urlpatterns = patterns
        monkeypatch.setitem(sys.modules, "urls_of_checks", module)
        with override_settings(ROOT_URLCONF="urls_of_checks", **settings):
            clear_url_caches()
            return check_urls()

    yield check
    clear_url_caches()


@pytest.mark.parametrize(
    "patterns",
    [
        [OURS],
        [OURS, re_path("^.*$", page)],
        [path("live/", include("django_socketio.urls"))],
        [*i18n_patterns(path("page/", page)), OURS],
    ],
)
def test_urls_by_which_clients_find_the_sockets_are_right(urls, patterns):
    assert urls(patterns) == []


def test_urls_that_are_not_included_are_reported(urls):
    for patterns in ([], [path("page/", page)]):
        (warning,) = urls(patterns)
        assert warning.id == "django_socketio.W005"
        assert "the URLs are not included" in warning.msg
        assert 'include("django_socketio.urls")' in warning.hint


def test_urls_of_an_app_that_is_not_installed_are_an_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "django_socketio.urls")
    installed = [app for app in settings.INSTALLED_APPS if app != "django_socketio"]
    expected = '"django_socketio" is missing from INSTALLED_APPS'
    with (
        override_settings(INSTALLED_APPS=installed),
        pytest.raises(ImproperlyConfigured, match=expected),
    ):
        include("django_socketio.urls")


def test_urls_in_a_namespace_are_not_found_by_the_tag(urls):
    (warning,) = urls([path("live/", include(("django_socketio.urls", "live")))])
    assert warning.id == "django_socketio.W005"


def test_urls_behind_a_catch_all_are_reported_with_its_pattern(urls):
    (warning,) = urls([re_path(r"^(?P<slug>.*)$", page), OURS])
    assert warning.id == "django_socketio.W005"
    assert f"leads to the view {__name__}.page of the pattern '^(?P<slug>.*)$'" in warning.msg


def test_urls_that_depend_on_the_language_are_reported(urls):
    patterns = i18n_patterns(OURS)
    (warning,) = urls(patterns, LANGUAGES=[("en", "English"), ("de", "German")])
    assert warning.id == "django_socketio.W006"
    assert "/de/socket.io/" in warning.msg


def test_a_translated_path_is_reported(urls):
    patterns = [path(gettext_lazy("Monday"), include("django_socketio.urls"))]
    (warning,) = urls(patterns, LANGUAGES=[("en", "English"), ("de", "German")])
    assert warning.id == "django_socketio.W006"
    assert "/Montagsocket.io/" in warning.msg


def test_no_catalog_is_loaded_for_a_path_without_translations(urls, monkeypatch):
    monkeypatch.setattr(translation, "activate", (activated := set()).add)
    assert urls([*i18n_patterns(path("page/", page)), OURS]) == []
    assert activated <= {settings.LANGUAGE_CODE, translation.get_language()}


# Servers


@pytest.mark.parametrize("driver", ["MySQLdb", "psycopg2", "cx_Oracle"])
def test_drivers_that_wait_in_c_are_reported(monkeypatch, driver):
    assert list(_blocking_databases()) == []
    database = types.ModuleType(driver)
    monkeypatch.setattr(connections["default"], "Database", database, raising=False)
    extensions = types.ModuleType("psycopg2.extensions")
    extensions.get_wait_callback = lambda: None
    monkeypatch.setitem(sys.modules, "psycopg2.extensions", extensions)
    (warning,) = check_deployment()
    assert warning.id == "django_socketio.W008"
    assert f"'default' uses the driver {driver}" in warning.msg
    extensions.get_wait_callback = lambda: print  # as psycogreen sets it
    assert bool(check_deployment()) == (driver != "psycopg2")


def test_drivers_that_wait_cooperatively_are_not(monkeypatch):
    for driver in ("pymysql", "psycopg", "sqlite3.dbapi2", "oracledb"):
        database = types.ModuleType(driver)
        monkeypatch.setattr(connections["default"], "Database", database, raising=False)
        assert check_deployment() == []


@pytest.mark.parametrize("engine", ["cache", "cached_db"])
def test_sessions_in_a_cache_that_waits_in_c_are_reported(engine):
    blocking = {"default": {"BACKEND": "django.core.cache.backends.memcached.PyLibMCCache"}}
    engine = f"django.contrib.sessions.backends.{engine}"
    with override_settings(SESSION_ENGINE=engine, CACHES=blocking):
        (warning,) = check_deployment()
    assert warning.id == "django_socketio.W008"
    with override_settings(CACHES=blocking):
        assert check_deployment() == []


@pytest.mark.parametrize(
    ("environ", "configuration", "source"),
    [
        ({"WEB_CONCURRENCY": "3"}, None, "WEB_CONCURRENCY"),
        ({"GUNICORN_CMD_ARGS": "--bind=:80 --workers=3"}, None, "GUNICORN_CMD_ARGS"),
        ({"GUNICORN_CMD_ARGS": "-w 3"}, None, "GUNICORN_CMD_ARGS"),
        ({"GUNICORN_CMD_ARGS": "-w3"}, None, "GUNICORN_CMD_ARGS"),
        ({}, "bind = ':80'\nworkers = 3\n", "gunicorn.conf.py"),
    ],
)
def test_several_workers_without_a_relay_are_reported(
    monkeypatch, tmp_path, environ, configuration, source
):
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if configuration is not None:
        (tmp_path / "gunicorn.conf.py").write_text(configuration)
    (warning,) = check_deployment()
    assert warning.id == "django_socketio.W009"
    assert warning.msg.startswith(f"{source} has gunicorn start 3 workers")
    with override_settings(SOCKETIO_RELAY_URL="redis://localhost"):
        assert check_deployment() == []


@pytest.mark.parametrize(
    ("environ", "configuration"),
    [
        ({"WEB_CONCURRENCY": "1"}, "workers = number()"),
        ({"WEB_CONCURRENCY": "3"}, "workers = 1"),
        ({"WEB_CONCURRENCY": "3"}, "workers = 3\nworkers: int = 1"),
        ({"WEB_CONCURRENCY": "3", "GUNICORN_CMD_ARGS": "-w 1"}, None),
        ({"GUNICORN_CMD_ARGS": "--workers=3 -w1"}, "workers = 3"),
    ],
)
def test_the_number_that_gunicorn_takes_counts(monkeypatch, tmp_path, environ, configuration):
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if configuration is not None:
        (tmp_path / "gunicorn.conf.py").write_text(configuration)
    assert check_deployment() == []


def test_a_runserver_that_another_app_has_first_is_reported():
    names = [config.name for config in apps.get_app_configs()]
    with override_settings(SOCKETIO_RUNSERVER=True):
        (warning,) = check_deployment()
        assert warning.id == "django_socketio.W010"
        assert "'django.contrib.staticfiles'" in warning.msg
        ours_first = sorted(names, key=lambda name: name != "django_socketio")
        with override_settings(INSTALLED_APPS=ours_first):
            assert check_deployment() == []


def test_manage_py_check_runs_all_of_them():
    events.on_message(three)
    found = ids(message for message in run_checks() if "django_socketio" in (message.id or ""))
    assert "E004" in found


# Channels that anyone may have


@pytest.mark.parametrize(
    ("pattern", "channel"),
    [
        (r"^user-\d+$", "user-0"),
        ("user-", "user-"),
        (r"^(?:account|team)s/[0-9]+/", "accounts/0/"),
        ("^private:", "private:"),
    ],
)
def test_a_personal_channel_that_anyone_may_have_is_reported(pattern, channel):
    events.on_message(channel=pattern)(four)
    (warning,) = check_personal_channels()
    assert warning.id == "django_socketio.W011"
    assert repr(channel) in warning.msg
    assert "emit(user=" in warning.hint


@pytest.mark.parametrize(
    "limit",
    [
        lambda: events.on_subscribe(four),
        lambda: events.on_subscribe(channel="^user-")(four),
        lambda: None,
    ],
)
def test_a_channel_that_a_handler_may_refuse_is_not_reported(limit):
    pattern = "^user-" if limit() else "^room-"
    events.on_message(channel=pattern)(four)
    assert check_personal_channels() == []


def test_a_handler_of_another_channel_or_namespace_limits_nothing():
    events.on_message(channel="^user-")(four)
    events.on_subscribe(channel="^room-")(four)
    events.on_subscribe(namespace="/admin")(four)
    assert ids(check_personal_channels()) == ["W011"]


@pytest.mark.parametrize(
    "settings",
    [
        {"SOCKETIO_DEFAULT_DENY": True},
        {"SOCKETIO_ALLOWED_CHANNELS": "tests.conf.test_checks.four"},
        {"SOCKETIO_SIGNED_ONLY": True},
        {"SOCKETIO_SIGNED_ONLY": ["^user-"]},
    ],
)
def test_a_setting_limits_all_channels(settings):
    events.on_message(channel="^user-")(four)
    with override_settings(**settings):
        assert check_personal_channels() == check_open_channels() == []


def test_patterns_of_signed_channels_limit_these_only():
    events.on_message(channel="^user-")(four)
    with override_settings(SOCKETIO_SIGNED_ONLY=["^room-"]):
        assert ids(check_personal_channels()) == ["W011"]
    with override_settings(SOCKETIO_SIGNED_ONLY=["^(a+)+$"]):
        (warning,) = check_patterns()
        assert "'^(a+)+$' of SOCKETIO_SIGNED_ONLY takes exponential time" in warning.msg
    with override_settings(SOCKETIO_SIGNED_ONLY="^user-"):
        assert ids(check_settings()) == ["E001"]
        assert check_patterns() == []
        check_personal_channels()


def test_open_channels_are_reported_before_deployment_only():
    assert check_open_channels() == []
    events.on_connect(three)
    (warning,) = check_open_channels()
    assert warning.id == "django_socketio.W012"
    ours = ids(one for one in run_checks() if "django_socketio" in one.id)
    assert "W012" not in ours
    with_deployment = run_checks(include_deployment_checks=True)
    assert "W012" in ids(one for one in with_deployment if "django_socketio" in one.id)
    events.on_subscribe(four)
    assert check_open_channels() == []
