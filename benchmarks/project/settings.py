"""Sessions and authentication as in a new project, less their database; messages are not logged."""

import os

SECRET_KEY = "only for benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_socketio",
    "benchmarks.project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "benchmarks.project.urls"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING = {"version": 1, "loggers": {"django.server": {"level": "ERROR"}}}

SOCKETIO_MESSAGE_LOG_FORMAT = None
SOCKETIO_RELAY_URL = os.environ.get("BENCH_REDIS")
SOCKETIO_PRESENCE = ["^here-"] if "BENCH_PRESENCE" in os.environ else []
SOCKETIO_METRICS = "BENCH_METRICS" in os.environ
SOCKETIO_RECOVERY_FOR_ALL = "BENCH_RECOVERY" in os.environ
SOCKETIO_MAX_AWAY_SOCKETS = 100_000  # a tenth of them may be of one address
SOCKETIO_DRAIN_SECONDS = float(os.environ.get("BENCH_DRAIN", "0"))
SOCKETIO_RELAY_LOG = int(os.environ.get("BENCH_RELAY_LOG", "1000"))
SOCKETIO_COMPRESSION_THRESHOLD = (
    int(os.environ["BENCH_COMPRESSION"]) if "BENCH_COMPRESSION" in os.environ else None
)
