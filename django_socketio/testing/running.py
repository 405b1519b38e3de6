"""The running test, at whose end the test tools release what they hold.

pytest's plugin imports this module at each start: it needs neither Django nor gevent.
"""

import sys
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import walk_stack
from types import FrameType
from typing import ClassVar

Cleanup = Callable[[], object]

_RUN = unittest.TestCase.run.__code__


class _Running:
    cleanups: list[Cleanup] | None = None
    """For the test function that pytest runs; None between tests, and without the plugin."""

    late_cleanups: list[Cleanup] | None = None
    """The same, for the time after the fixtures of the test have ended."""

    ending: list[Cleanup] | None = None
    """The late functions, while fixtures end: what these register is not the test's."""

    late_of_cases: ClassVar[dict[unittest.TestCase, list[Cleanup]]] = {}
    """The late functions of test cases, called by a cleanup that is added before all others."""


def at_end_of_test(cleanup: Cleanup, in_any_thread: bool = False, late: bool = False) -> bool:
    """Have a function called at the end of the running test; False if no test runs.

    A test case is looked for in this thread or, with ``in_any_thread``, in the others too. With
    ``late``, the function is called after the others and, by pytest, after the end of fixtures.
    """
    test = _test_case_in(sys._getframe())
    if test is None and in_any_thread:
        found = map(_test_case_in, sys._current_frames().values())
        test = next((case for case in found if case is not None), None)
    if test is not None:
        _add_to_case(test, cleanup, late)
    elif (cleanups := _Running.late_cleanups if late else _Running.cleanups) is not None:
        cleanups.append(cleanup)
    else:
        return False
    return True


def _add_to_case(test: unittest.TestCase, cleanup: Cleanup, late: bool) -> None:
    """Have a function called at the end of a test case, which calls the last one first."""
    if test not in _Running.late_of_cases:
        _Running.late_of_cases[test] = []
        test.addCleanup(lambda: _call(_Running.late_of_cases.pop(test)))
    if late:
        _Running.late_of_cases[test].append(cleanup)
    else:
        test.addCleanup(cleanup)


def at_end_of_class(cleanup: Cleanup) -> bool:
    """Have a function called at the end of the test case that is set up; False if none is."""
    for frame, _ in walk_stack(sys._getframe()):
        case = frame.f_locals.get("cls") if frame.f_code.co_name == "setUpClass" else None
        if isinstance(case, type) and issubclass(case, unittest.TestCase):
            case.addClassCleanup(cleanup)
            return True
    return False


def _test_case_in(frame: FrameType) -> unittest.TestCase | None:
    """Return the test case that runs in a frame. unittest keeps it in the frame of its ``run``."""
    frames = (caller for caller, _ in walk_stack(frame) if caller.f_code is _RUN)
    return next((caller.f_locals["self"] for caller in frames), None)


def begin_test() -> None:
    """Note that a test begins that is a function."""
    _Running.cleanups, _Running.late_cleanups = [], []


@contextmanager
def suspended() -> Iterator[None]:
    """Let what happens meanwhile outlast the test, as a fixture of the whole module does."""
    kept = _Running.cleanups, _Running.late_cleanups
    _Running.cleanups = _Running.late_cleanups = None
    try:
        yield
    finally:
        _Running.cleanups, _Running.late_cleanups = kept


def end_test() -> None:
    """Call the functions of ``at_end_of_test``, the last one first.

    Raises:
        Exception: what the first of them has raised that failed; all are called.

    """
    cleanups, _Running.cleanups = _Running.cleanups or [], None
    _Running.ending, _Running.late_cleanups = _Running.late_cleanups, None
    _call(cleanups)


def end_fixtures() -> None:
    """Call the late functions of ``at_end_of_test``, as ``end_test`` does."""
    cleanups, _Running.ending = _Running.ending or [], None
    _call(cleanups)


def _call(cleanups: list[Cleanup]) -> None:
    errors: list[Exception] = []
    for cleanup in reversed(cleanups):
        try:
            cleanup()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
