"""The site that the tests of this folder serve."""

import os

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.system.production"]
ROOT_URLCONF = "tests.system.production.urls"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "chat.example.com"]

if "TEST_SESSIONS" in os.environ:
    SESSION_ENGINE = "django.contrib.sessions.backends.file"
    SESSION_FILE_PATH = os.environ["TEST_SESSIONS"]

if "TEST_MIDDLEWARE" in os.environ:
    MIDDLEWARE = [os.environ["TEST_MIDDLEWARE"], *MIDDLEWARE]

SOCKETIO_METRICS = "TEST_METRICS" in os.environ

if "TEST_LOG_ALL" in os.environ:
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": "INFO"},
    }

if "BEHIND_NGINX" in os.environ:
    # These come from docs/deployment.rst, which the test has written to a module.
    from documented import *  # noqa: F403

    MIDDLEWARE = ["documented.client_address", *MIDDLEWARE]
