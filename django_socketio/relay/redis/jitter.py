"""Random numbers that no secret depends on, without a change of the site's ``random``."""

from random import Random

jitter = Random()  # noqa: S311  no secret
