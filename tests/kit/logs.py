"""What the log and the system checks say."""

from django.test.utils import override_settings

from django_socketio.checks import check_settings


def faults(caplog):
    """Return what the log says of clients."""
    return [record for record in caplog.records if record.name == "django_socketio.server"]


def errors_of(**settings):
    """Return what ``manage.py check`` says of settings, named without their prefix."""
    with override_settings(**{f"SOCKETIO_{name}": value for name, value in settings.items()}):
        return check_settings()
