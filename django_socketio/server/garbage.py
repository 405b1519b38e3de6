"""Python's cyclic garbage collector, in a process that keeps many objects for long."""

import gc

PYTHONS_OWN = {(700, 10, 10), (2_000, 10, 10), (2_000, 10, 0)}
"""The default thresholds of Python: until 3.12, in 3.13 and in 3.14."""

OURS = (5_000, 5, 2)
"""Number of new objects after which the youngest generation is collected, and number of collections
of each generation after which the next older one is collected.

Higher thresholds save no more time, and keep garbage of 5,000 sockets several times as long.
"""


def collect_less() -> None:
    """Exclude the objects loaded so far from collections, and collect less often.

    A connection is a few hundred objects. With Python's default thresholds, the collector examines
    those of all other connections so often that this takes 7 % of a connection's processor time.
    Thresholds that a project has set stay.
    """
    if gc.isenabled() and gc.get_threshold() in PYTHONS_OWN:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*OURS)
