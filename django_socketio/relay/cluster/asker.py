"""Asking the node of a Redis Cluster that has a key."""

from collections.abc import Sequence
from typing import Any

from django_socketio.relay.cluster.router import Router
from django_socketio.relay.cluster.topology import slot_of


class ClusterAsker:
    """Asks the node that serves the slot of a key."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def evaluate(self, script: str, keys: Sequence[str], args: Sequence[bytes]) -> Any:
        """Return the answer of a script, whose keys are in one slot."""
        return self._router.reach(
            slot_of(keys[0]), lambda access: access.publisher.evaluate_bytes(script, keys, args)
        )

    def ask(self, key: str, *command: str) -> Any:
        """Return the answer to a command."""
        return self._router.reach(slot_of(key), lambda access: access.publisher.ask(*command))
