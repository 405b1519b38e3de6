"""The site of these tests: users in a database, sessions where the test says."""

import os

from tests.project.settings import *  # noqa: F403
from tests.project.settings import INSTALLED_APPS, MIDDLEWARE, SOCKETIO_RELAY_URL

INSTALLED_APPS = [*INSTALLED_APPS[:-1], "tests.security"]
MIDDLEWARE = ["tests.security.middleware.slow", *MIDDLEWARE]
MIDDLEWARE += ["tests.security.middleware.tokens", "tests.security.middleware.devices"]
ROOT_URLCONF = "tests.security.urls"
SESSION_ENGINE = f"django.contrib.sessions.backends.{os.environ.get('TEST_SESSIONS', 'db')}"
SESSION_FILE_PATH = os.path.dirname(os.environ["TEST_DATABASE"])

SOCKETIO_LOGIN_CHECK_INTERVAL = float(os.environ.get("TEST_CHECK_INTERVAL", "60"))

if SOCKETIO_RELAY_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": SOCKETIO_RELAY_URL,
        }
    }
