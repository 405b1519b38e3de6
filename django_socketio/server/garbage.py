"""Python's cyclic garbage collector, in a process that keeps many objects for long."""

import gc

PYTHONS_OWN = {(700, 10, 10), (2_000, 10, 10), (2_000, 10, 0)}
"""The default thresholds of Python: until 3.12, in 3.13 and in 3.14."""

OURS = (5_000, 5, 2)
"""Number of new objects after which the youngest generation is collected, and number of collections
of each generation after which the next older one is collected.

Higher thresholds save no more time, and keep garbage of 5,000 sockets several times as long.
"""


LOADING = (100_000, 10, 10)
"""Thresholds of a process that loads its code, which leaves hardly any garbage."""


def begin_loading() -> None:
    """Collect next to nothing until ``collect_less``: a start takes a twentieth less time.

    Thresholds that a project has set stay.
    """
    if gc.isenabled() and gc.get_threshold() in PYTHONS_OWN:
        gc.set_threshold(*LOADING)


def collect_less() -> None:
    """Exclude the objects loaded so far from collections, and collect less often.

    A connection is a few hundred objects. With Python's default thresholds, the collector examines
    those of all other connections so often that this takes 7 % of a connection's processor time.
    Thresholds that a project has set stay.
    """
    if gc.get_threshold() not in {*PYTHONS_OWN, LOADING}:
        return
    if gc.isenabled():
        gc.collect()
        gc.freeze()
    gc.set_threshold(*OURS)  # also where it is off: a project may switch it on again
