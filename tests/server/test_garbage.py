"""The cyclic garbage collector of a server process."""

import gc
import subprocess
import sys

from django_socketio.server.garbage import LOADING, OURS, PYTHONS_OWN, collect_less


def printed(code):
    """Return what a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_it_leaves_out_what_was_loaded_and_runs_less_often():
    frozen, *thresholds = printed(
        "import gc; from django_socketio.server.garbage import collect_less\n"
        "before = gc.get_freeze_count(); collect_less()\n"
        "print(gc.get_freeze_count() - before, *gc.get_threshold())"
    )
    assert int(frozen) > 1000
    assert tuple(map(int, thresholds)) == OURS


def test_what_this_python_starts_with_is_known():
    assert tuple(map(int, printed("import gc; print(*gc.get_threshold())"))) in PYTHONS_OWN


LOAD = "import gc; from django_socketio.server.garbage import begin_loading, collect_less\n"


def test_it_runs_seldom_while_a_server_loads_its_code():
    loading, *thresholds = printed(
        f"{LOAD}begin_loading(); print(gc.get_threshold() == {LOADING})\n"
        "collect_less(); print(*gc.get_threshold())"
    )
    assert (loading, tuple(map(int, thresholds))) == ("True", OURS)


def test_what_a_project_sets_while_it_is_loaded_stays():
    code = "begin_loading(); gc.set_threshold(4000); collect_less(); print(*gc.get_threshold())"
    assert printed(LOAD + code)[0] == "4000"
    code = "gc.set_threshold(4000); begin_loading(); print(*gc.get_threshold())"
    assert printed(LOAD + code)[0] == "4000"


def test_what_a_project_has_set_stays():
    thresholds = gc.get_threshold()
    frozen = gc.get_freeze_count()
    gc.set_threshold(5000, 20, 100)
    try:
        collect_less()
        assert gc.get_threshold() == (5000, 20, 100)
        assert gc.get_freeze_count() == frozen
    finally:
        gc.set_threshold(*thresholds)


def test_it_stays_off_where_a_project_has_switched_it_off():
    assert printed(
        "import gc; from django_socketio.server.garbage import collect_less\n"
        "before = gc.get_freeze_count(); gc.disable(); collect_less()\n"
        "print(gc.isenabled(), gc.get_freeze_count() - before)"
    ) == ["False", "0"]
