"""The rights of ACLs that the documentation gives to users of the relay."""

from tests.kit.documented import blocks


def documented_rights():
    """Return the rights of a user of Redis, and those that a cluster needs besides."""
    one, cluster = [block.split() for block in blocks("text") if "numsub" in block]
    name, *rights = one[2:]
    assert name == "chat"
    return rights, cluster


def sentinel_rights():
    """Return the rights of a user of Sentinels."""
    (block,) = [block.split() for block in blocks("text") if "+sentinel|" in block]
    return block[3:]  # after ACL SETUSER and the name
