"""All targets that need no server."""

from tests.fuzz import engineio, envelopes, frames, packets, requests

TARGETS = (
    engineio.TARGET,
    packets.TARGET,
    frames.TARGET,
    frames.COMPRESSED,
    requests.TARGET,
    envelopes.TARGET,
    envelopes.POSITIONS,
)
