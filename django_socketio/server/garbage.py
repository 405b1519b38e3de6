"""Python's cyclic garbage collector, in a process that keeps many objects for long."""

import gc

PYTHONS_OWN = {(700, 10, 10), (2_000, 10, 10), (2_000, 10, 0)}
"""Thresholds that Python starts with: until 3.12, in 3.13 and in 3.14."""

OURS = (5_000, 5, 2)
"""New objects before the youngest are looked at; and how often that is before older ones are.

Larger ones save no more time, and keep what 5,000 sockets have left for several times as long.
"""


def collect_less() -> None:
    """Leave what has been loaded out of collections, and collect less often.

    A connection is a few hundred objects: with Python's own thresholds, a tenth of the time that it
    takes goes into looking at those of the others. Thresholds that a project has set stay.
    """
    if gc.isenabled() and gc.get_threshold() in PYTHONS_OWN:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*OURS)
