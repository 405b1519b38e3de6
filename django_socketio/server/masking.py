"""Secrets in texts of the server: a whole sid opens its session, so logs show its beginning."""

import re
from typing import Any

# The name as it is, or percent-encoded: both mean "sid" to whoever reads the query.
_SID = re.compile(r"(?i)((?<![^?&\s])(?:s|%73)(?:i|%69)(?:d|%64)=[^&\s]{0,4})[^&\s]*")


def mask_sids(text: str) -> str:
    """Return a URL, or text around one, with sids cut short: a whole one opens its session."""
    return _SID.sub(r"\1…", text)


def mask_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return header fields, or an environ, with sids cut short."""
    return {
        name: mask_sids(value) if isinstance(value, str) and "=" in value else value
        for name, value in values.items()
    }
