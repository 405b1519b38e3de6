"""A connection, handed from one process to another with what was read from it.

Over a Unix socket go: the size of what follows, with the connection's descriptor beside it
(``SCM_RIGHTS``, unix(7)); details as JSON, a newline, and the bytes read. One byte comes back once
the other process has the connection for sure.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from gevent.socket import socket as gevent_socket

MAX_SIZE = 8_388_608
"""Bytes read of a request, which may be its head (pywsgi takes 100 header fields of 64 KiB)."""

_SIZE = struct.Struct("!I")
TAKEN = b"\x01"


@dataclass(frozen=True, slots=True)
class HandedConnection:
    """A connection that another process accepted."""

    socket: Any
    address: Any
    """The client's."""
    listener: int
    """The number of the listener that accepted the connection."""
    received: bytes
    """Bytes that were read from the connection."""
    once: bool
    """Whether the connection carries one request only."""


def send(connection: Any, handed: HandedConnection) -> None:
    """Pass a connection to the process at the other end; it stays open here, too.

    Raises:
        OSError: the other process did not take it.

    """
    details = {"address": handed.address, "listener": handed.listener, "once": handed.once}
    payload = json.dumps(details).encode() + b"\n" + handed.received
    descriptors = array.array("i", [handed.socket.fileno()])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
    connection.sendmsg([_SIZE.pack(len(payload))], rights)
    connection.sendall(payload)
    if connection.recv(len(TAKEN)) != TAKEN:
        raise ConnectionRefusedError("the other process did not take the connection")


def receive(connection: Any) -> HandedConnection:
    """Read what ``send`` passes.

    Raises:
        ValueError: something else came than ``send`` writes.
        OSError: the other process has closed its end.

    """
    space = socket.CMSG_LEN(array.array("i").itemsize)
    head, ancillary, flags, _ = connection.recvmsg(_SIZE.size, space, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    try:
        details, _, received = _read_payload(connection, head).partition(b"\n")
        address, listener, once = _checked(json.loads(details))
        if len(descriptors) != 1 or flags & socket.MSG_CTRUNC:
            raise ValueError("there must be one descriptor")
        return HandedConnection(_client(descriptors), address, listener, received, once)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _read_payload(connection: Any, head: bytes) -> bytes:
    size = _SIZE.unpack(head)[0] if len(head) == _SIZE.size else 0
    if not 0 < size <= MAX_SIZE:
        raise ValueError(f"{size} bytes are announced")
    with connection.makefile("rb") as stream:
        payload: bytes = stream.read(size)
    if len(payload) < size:
        raise ValueError("it ends too early")
    return payload


def _client(descriptors: array.array[int]) -> Any:
    sock = gevent_socket(fileno=descriptors[0])
    descriptors.pop()  # from here on the socket closes it
    if sock.type != socket.SOCK_STREAM:
        sock.close()
        raise ValueError("it is no stream")
    return sock


def _checked(details: Any) -> tuple[Any, int, bool]:
    match details:
        case {"address": list() | str() as address, "listener": int(listener), "once": bool(once)}:
            return tuple(address) if isinstance(address, list) else address, max(listener, 0), once
    raise ValueError("the details are not what is expected")
