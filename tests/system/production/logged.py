"""The site with a LOGGING of the test's."""

import json
import logging
import os

from tests.system.production.settings import *  # noqa: F403

if "TEST_LOGGING" in os.environ:
    LOGGING = json.loads(os.environ["TEST_LOGGING"])
else:
    LOGGING_CONFIG = None

if "TEST_DISABLED" in os.environ:
    logging.getLogger("django_socketio.sockets").disabled = True


class Tracker(logging.Handler):
    """Hears of errors as the handlers of error trackers do."""

    def emit(self, record):
        error = record.exc_info[0].__name__ if record.exc_info else None
        os.write(1, f"tracked: {record.levelname} {record.name} {error}\n".encode())
