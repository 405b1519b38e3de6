"""Builds the package: as it is, or with its message path compiled to C.

``DJANGO_SOCKETIO_COMPILE=1 pip install --no-build-isolation .`` compiles, with mypyc (part of mypy)
and a C compiler. The source is the same, and so is what it does; an echo takes a fifth less of the
processor.
"""

import os

from setuptools import setup

# What every message passes. What users call, subclass or patch stays Python. So does what calls
# itself (what walks JSON), for compiled code knows no recursion limit, and what is a
# greenlet.
COMPILED = """
    channels/encoded_event channels/measured channels/registry
    concurrency/failures concurrency/mailbox concurrency/timed_workers concurrency/workers
    events/failures events/handlers events/pipeline events/remembered
    protocol/json
    protocol/engineio/client_pings protocol/engineio/heartbeat protocol/engineio/packets
    protocol/socketio/packets protocol/socketio/payloads
    protocol/websocket/connection protocol/websocket/deflate protocol/websocket/frames
    protocol/websocket/message
    sockets/acks sockets/client sockets/encoder sockets/handing sockets/handler_calls
    sockets/leaving sockets/lifecycle sockets/relaying sockets/replies sockets/returning
    sockets/server
    transports/deflating transports/dialects transports/encoded transports/engineio3
    transports/interfaces transports/measured transports/polling transports/receiving
    transports/session transports/websocket transports/write_batch
"""


def extensions():
    """Return the extension modules to be built: none, unless they are asked for."""
    if os.environ.get("DJANGO_SOCKETIO_COMPILE", "0") in ("", "0"):
        return []
    from mypyc.build import mypycify

    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
    sources = [f"django_socketio/{name}.py" for name in COMPILED.split()]
    return mypycify([*options, *sources], opt_level=os.environ.get("MYPYC_OPT_LEVEL", "3"))


setup(ext_modules=extensions())
