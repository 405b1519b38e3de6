"""Clients that send what costs most, and a victim beside each of them."""
