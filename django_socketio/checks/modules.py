"""The check of modules ``events.py`` in packages that are not installed apps."""

import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning

SKIPPED = frozenset({"node_modules", "tests"})
"""Folders that are not searched, nor are those with a ``manage.py`` of their own."""

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of this package, which may lie in a project. It is not searched either."""

DEPTH = 3
"""Folders between the project and an ``events.py`` that is searched for."""


def check_modules(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return a warning for each ``events.py`` of the project that is not imported (``…W004``)."""
    known = {str(Path(config.path).resolve() / "events.py") for config in apps.get_app_configs()}
    known |= {str(Path(file).resolve()) for file in _imported_modules()}
    return [
        _not_imported(folder, path)
        for folder in _folders()
        for path in _modules(folder, DEPTH)
        if str(path.resolve()) not in known and _uses_this_package(path)
    ]


def _uses_this_package(module: Path) -> bool:
    try:
        return "django_socketio" in module.read_text(errors="ignore")
    except OSError:
        return False


def _imported_modules() -> Iterator[str]:
    """Yield the files of all modules ``events`` that the site has imported by itself."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.endswith("events.py"):
            yield file


def _not_imported(folder: Path, path: Path) -> CheckMessage:
    package = ".".join(path.parent.relative_to(folder).parts)
    return Warning(
        f"The handlers of {package}.events are not registered: {package!r} is no installed app.",
        hint=f"Add {package!r} to INSTALLED_APPS, or move the module into an installed app.",
        obj=str(path),
        id="django_socketio.W004",
    )


def _folders() -> set[Path]:
    """Return the folders of the project: those of its settings and of its URLs."""
    names = (getattr(settings, "SETTINGS_MODULE", None), getattr(settings, "ROOT_URLCONF", None))
    found = (_folder_of(name.partition(".")[0]) for name in names if isinstance(name, str))
    return {folder for folder in found if folder is not None}


def _folder_of(module: str) -> Path | None:
    if module == "__main__":  # a site in a single file
        file = getattr(sys.modules[module], "__file__", None)
        return None if file is None else Path(file).resolve().parent
    spec = find_spec(module)
    if spec is None or not (spec.origin or spec.submodule_search_locations):
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    return Path(str(spec.origin)).parent


def _modules(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the modules ``events.py`` of packages below a folder."""
    for inner in _subfolders(folder):
        if (inner / "events.py").is_file():
            yield inner / "events.py"
        if depth > 1:
            yield from _modules(inner, depth - 1)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _is_searched(path))
    except OSError:
        return []


def _is_searched(path: Path) -> bool:
    if not path.name.isidentifier() or path.name in SKIPPED:
        return False
    try:
        is_site = (path / "manage.py").exists()
        return path.is_dir() and not is_site and path.resolve() != PACKAGE
    except OSError:  # it may not be read
        return False
