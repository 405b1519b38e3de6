"""System checks: ``manage.py check`` reports settings, handlers and URLs that are wrong or unsafe.

``docs/operations.rst`` explains each identifier.
"""

from django_socketio.checks.channels import check_open_channels, check_personal_channels
from django_socketio.checks.client_events import (
    check_client_events,
    check_rates_of_client_events,
)
from django_socketio.checks.deployment import check_deployment
from django_socketio.checks.handlers import check_handlers
from django_socketio.checks.modules import check_modules
from django_socketio.checks.patterns import check_patterns
from django_socketio.checks.settings import check_settings
from django_socketio.checks.urls import check_urls

__all__ = [
    "ALL",
    "BEFORE_DEPLOYMENT",
    "check_client_events",
    "check_deployment",
    "check_handlers",
    "check_modules",
    "check_open_channels",
    "check_patterns",
    "check_personal_channels",
    "check_rates_of_client_events",
    "check_settings",
    "check_urls",
]

ALL = (
    check_settings,
    check_patterns,
    check_handlers,
    check_modules,
    check_urls,
    check_deployment,
    check_personal_channels,
    check_client_events,
)

BEFORE_DEPLOYMENT = (check_open_channels, check_rates_of_client_events)
"""The checks that ``manage.py check --deploy`` runs as well."""
