"""Pieces of Python in the documentation: imported, with the parts that they leave out.

Imports, definitions and assignments of a block are executed. Its other statements, which would
need a site around them, are not; but each call of a function of the package, also in the bodies of
functions, must fit the signature of the function.
"""

import ast
import builtins
import importlib
import inspect

import django_socketio
from django_socketio import conf, events, testing
from django_socketio.events import interfaces

FOREIGN = {
    "rest_framework",
    "django_tenants",
    "opentelemetry",
    "sentry_sdk",
    "django.tasks",
    "mysite",
}
"""Packages that are not installed, or not with each Django, and that of a page's site."""

SITE = {"Order", "User", "DjangoIntegration", "sentry_sdk", "solver", "orders", "order", "report"}
"""Names of a site, or of a module that a page has imported before."""

SIGNATURE = ("emit(", "emit_template(", "sign_channel(")


def names():
    """Return the names that a page may use without showing their import."""
    django = {
        "path": "django.urls",
        "render": "django.shortcuts",
        "redirect": "django.shortcuts",
        "receiver": "django.dispatch",
        "post_save": "django.db.models.signals",
        "LoginRequiredMixin": "django.contrib.auth.mixins",
        "TestCase": "django.test",
        "PermissionDenied": "django.core.exceptions",
        "shared_task": "celery",
        "ProcessPoolExecutor": "concurrent.futures",
    }
    found = {
        name: getattr(importlib.import_module(module), name) for name, module in django.items()
    }
    found["multiprocessing"] = importlib.import_module("multiprocessing")
    ours = {name: getattr(django_socketio, name) for name in django_socketio.__all__}
    ours["assert_emitted"] = testing.assert_emitted
    decorators = {name: one for name, one in vars(events).items() if name.startswith("on_")}
    return found | ours | decorators | {"urlpatterns": []}


class Anything:
    """Stands for what a site defines: it has all attributes, and can be called."""

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **options):
        return self


class Scope(dict):
    """The names of a block: those of a page, and those of a site."""

    def __missing__(self, name):
        if hasattr(builtins, name):
            raise KeyError(name)
        if name in SITE:
            return Anything()
        raise NameError(f"{name!r} is neither imported nor known")


EXECUTED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AugAssign


def check(text):
    """Import a block.

    Raises:
        AssertionError, Exception: it is wrong.

    """
    tree = ast.parse(text)
    scope = Scope(names())
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            _import(statement, scope)
    check_calls(tree, scope)
    for statement in tree.body:
        if isinstance(statement, EXECUTED) and not _calls_package(statement, scope):
            # As of a module: functions see what the block defines.
            exec(compile(ast.Module([statement], []), "block", "exec"), scope, scope)
    check_settings(scope)


def _calls_package(statement, scope):
    """Return whether an assignment calls the package, which would need a site."""
    is_assignment = isinstance(statement, ast.Assign)
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return is_assignment and any(_called(target, scope) is not None for target in calls)


def _import(statement, scope):
    modules = [statement.module] if isinstance(statement, ast.ImportFrom) else []
    modules = modules or [alias.name for alias in statement.names]
    if any(module.startswith(name) for module in modules for name in FOREIGN):
        scope.update({alias.asname or alias.name: Anything() for alias in statement.names})
    else:
        exec(compile(ast.Module([statement], []), "block", "exec"), scope)


def check_calls(tree, scope):
    """Raise TypeError for a call of the package that its function does not take."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and (function := _called(call.func, scope)) is not None:
            options = {option.arg: None for option in call.keywords if option.arg is not None}
            if not any(isinstance(argument, ast.Starred) for argument in call.args):
                inspect.signature(function).bind(*[None] * len(call.args), **options)


def _called(target, scope):
    """Return the function of the package that a call is of; None for all others."""
    if isinstance(target, ast.Name):
        found = dict.get(scope, target.id)
        module = getattr(found, "__module__", None) or ""
        return found if inspect.isfunction(found) and module.startswith("django_socketio") else None
    if isinstance(target, ast.Attribute) and getattr(target.value, "id", None) == "socket":
        return _bound(getattr(interfaces.Socket, target.attr))
    return None


def _bound(method):
    signature = inspect.signature(method)
    parameters = [*signature.parameters.values()][1:]

    def bound():
        pass

    bound.__signature__ = signature.replace(parameters=parameters)
    return bound


def check_settings(scope):
    """Assert that the values of settings can be used."""
    for name, value in scope.items():
        if name.startswith(conf.PREFIX):
            setting = conf.SETTINGS[name.removeprefix(conf.PREFIX)]
            assert setting.valid(value), conf.problem(name.removeprefix(conf.PREFIX), value)


def check_signature(text):
    """Assert that a signature, as a page shows it, has the parameters of the function."""
    name, _, given = text.partition("(")
    function = getattr(django_socketio, name)
    parameters = [*inspect.signature(function).parameters]
    shown = [one.split("=")[0].strip(" *\n)") for one in given.split(",")]
    shown = [one for one in shown if one]
    assert sorted(shown) == sorted(parameters), (shown, parameters)
