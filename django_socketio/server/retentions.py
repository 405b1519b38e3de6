"""The retention of each topic: how much of its log the relay keeps, by the settings."""

from collections.abc import Callable
from typing import Any

from django_socketio import conf
from django_socketio.relay.history_rules import retention_rules
from django_socketio.relay.topics import Retention, Retentions, Topic


def from_settings() -> Retentions:
    """Return the retentions of the site.

    Raises:
        ImproperlyConfigured: a setting has a value that cannot be used.

    """
    log = conf.get("RELAY_LOG"), conf.get("RELAY_LOG_BYTES"), conf.get("RELAY_LOG_SECONDS")
    key = (*log, conf.get("HISTORY"), _away())
    if _Last.key != key:  # every message of a script asks
        default = Retention(*log)
        rules = tuple(retention_rules(default, key[3]))
        _Last.key, _Last.retentions = key, Retentions(default, rules, key[4])
    return _Last.retentions


def replay() -> Callable[[Topic], int] | None:
    """Return how many messages new subscribers of a topic get unasked; None if no topic has any."""
    if not any(rule.retention.replay for rule in from_settings().rules):
        return None
    return lambda topic: from_settings().of(topic).replay


class _Last:
    key: tuple[Any, ...] = ()
    retentions = Retentions()


def _away() -> float:
    """Return the seconds for which messages are kept for clients that are away.

    A silent cut is noticed only after a ping and the time for its answer.
    """
    window = conf.get("RECOVERY_SECONDS")
    return float(window and window + conf.get("PING_INTERVAL") + conf.get("PING_TIMEOUT"))
