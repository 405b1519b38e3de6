"""The failure of a process: it waits until its code is mended."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils import autoreload

CODE_CHANGED = 3
"""The status with which Django's reloader ends a child."""

FAILED = 1
"""The status with which Django ends a command that cannot run."""


STARTED = time.time()
"""The time at which this process began, before it loaded any code of the site."""

PATTERNS = ("*.py", "*/__init__.py")
"""The modules and the packages in a folder."""


def wait_after(run: Callable[[], None]) -> None:
    """Run a program. If it fails, show the error, and end once code has changed.

    Raises:
        SystemExit: the program has ended, or code has changed.

    """
    try:
        autoreload.check_errors(run)()  # notes the file with the error
    except Exception:
        code = Code()
        sys.excepthook(*sys.exc_info())
        code.wait_for_change()
    except SystemExit as end:
        if end.code != FAILED:
            raise
        Code().wait_for_change()


def serve_reloading(serve: Callable[..., None], **options: Any) -> None:
    """Serve in a thread, under Django's reloader. If that fails, end once code has changed.

    Django's reloader notices no new modules, and waits for the loaded ones only.

    Raises:
        SystemExit: code has changed.

    """
    reloader = autoreload.get_reloader()

    def serve_or_stop(**options: Any) -> None:
        try:
            serve(**options)
        except BaseException:
            reloader.stop()
            raise

    autoreload.start_django(reloader, serve_or_stop, **options)
    Code().wait_for_change()


class Code:
    """The modules in all folders that code is loaded from, as this process may have loaded them.

    Args:
        since: a module that was written later may have been loaded before that, so it has changed.

    """

    def __init__(self, since: float = STARTED) -> None:
        self._reloader = autoreload.StatReloader()
        folders = {file.parent for file in self._reloader.watched_files()}
        for folder in {*map(Path, sys.path), *folders}:
            for pattern in PATTERNS:
                self._reloader.watch_dir(folder, pattern)
        files, now = self._read(), time.time()
        # A clock of a file system may be ahead: such a module is not new again and again.
        self._files = {file: at for file, at in files.items() if not since < at <= now}

    def _read(self) -> dict[Any, float]:
        return dict(self._reloader.snapshot_files())

    def has_changed(self) -> bool:
        """Return whether a module has changed, come or gone."""
        return self._read() != self._files

    def wait_for_change(self) -> None:
        """Wait until a module changes, comes or goes.

        Raises:
            SystemExit: it has happened.

        """
        while not self.has_changed():
            time.sleep(self._reloader.SLEEP_TIME)
        sys.exit(CODE_CHANGED)
