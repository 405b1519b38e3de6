"""All targets that need no server."""

from tests.fuzz import engineio, envelopes, frames, heads, packets, requests

TARGETS = (
    engineio.TARGET,
    engineio.OLD_TARGET,
    engineio.FORMS,
    packets.TARGET,
    frames.TARGET,
    frames.COMPRESSED,
    requests.QUERIES,
    requests.BODIES,
    heads.FIELDS,
    heads.CHUNKS,
    envelopes.TARGET,
    envelopes.POSITIONS,
)
