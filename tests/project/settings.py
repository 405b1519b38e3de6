"""The project that the tests serve; the settings of all other sites begin with these."""

import os

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_socketio",
    "tests.project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.project.urls"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_DATABASE", ":memory:"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
SILENCED_SYSTEM_CHECKS = [
    "django_socketio.W004"
]  # the handlers of the benchmarks are another site's
USE_TZ = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # no test is about Django's

_TIMES = [
    "DRAIN_SECONDS",
    "PING_INTERVAL",
    "PING_TIMEOUT",
    "CONNECT_TIMEOUT",
    "REQUEST_TIMEOUT",
    "SEND_TIMEOUT",
    "RECOVERY_SECONDS",
]

for _name in _TIMES:
    if _name in os.environ:
        globals()[f"SOCKETIO_{_name}"] = float(os.environ[_name])

SOCKETIO_RELAY_URL = os.environ.get("TEST_RELAY_URL")
