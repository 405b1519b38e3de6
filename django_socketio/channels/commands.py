"""The names of the commands that processes send to the sockets of audiences, or to one socket."""

DISCONNECT = "disconnect sockets"
"""End the sockets; the argument is the reason, or "" for the usual one."""

SUBSCRIBE = "subscribe sockets"
"""Put the sockets on the channel that is the argument."""

CLAIM = "claim socket"
"""Offer the socket to another process, to which its client has come back.

The arguments are those of ``sockets.handing.OutsideClaim``.
"""

TAKE = "take socket"
"""Give the socket to the process whose claim is the argument, and that was offered it."""

KEEP = "keep socket"
"""Keep the socket: the process whose claim is the argument does not take it."""

UNSUBSCRIBE = "unsubscribe sockets"
"""Take the sockets off the channel that is the argument."""
