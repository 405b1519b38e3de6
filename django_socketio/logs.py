"""The package's loggers, which do not exist before they are used.

A server's modules are imported before Django configures logging. ``dictConfig`` disables each
logger that exists by then and is not named in ``LOGGING``, unless ``disable_existing_loggers`` is
False.
"""

import logging
from typing import Any, cast


class _LateLogger:
    """Stands for a logger until something is logged, and has all that the logger has."""

    __slots__ = ("_logger", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: logging.Logger | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._logger is None:
            self._logger = logging.getLogger(self._name)
        return getattr(self._logger, attribute)


def get_logger(name: str) -> logging.Logger:
    """Return a logger that is made once something is logged by it."""
    return cast(logging.Logger, _LateLogger(name))
