"""The addresses of clients, as limits count them."""

import ipaddress

MAX_ADDRESS_LENGTH = 64
"""Characters of an address that are remembered: a proxy may hand on a client's own text."""


def network(address: str) -> str:
    """Return the addresses that one visitor can choose from: an IPv4 address, or an IPv6 /64."""
    address = address[:MAX_ADDRESS_LENGTH]
    if ":" not in address:
        return address
    try:
        whole = int(ipaddress.IPv6Address(address.partition("%")[0]))
    except ValueError:
        return address
    mapped = ipaddress.IPv6Address(whole).ipv4_mapped
    return str(mapped) if mapped else f"{whole >> 64:x}::/64"
