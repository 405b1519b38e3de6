"""orjson with the interface of the standard library's json, which python-socketio asks for."""

import orjson

loads = orjson.loads


def dumps(value, **options):
    """Return JSON as text; orjson always writes it without spaces."""
    return orjson.dumps(value).decode()
