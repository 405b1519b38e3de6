"""The rights of ACLs that the documentation gives to users of the relay."""

from tests.kit.documented import RIGHTS

BLOCKS = [block.split() for block in RIGHTS]


def documented_rights():
    """Return the rights of a user of Redis, and those that a cluster needs besides."""
    one, cluster = [block for block in BLOCKS if "numsub" in " ".join(block)]
    name, *rights = one[2:]
    assert name == "chat"
    return rights, cluster


def sentinel_rights():
    """Return the rights of a user of Sentinels."""
    (block,) = [block for block in BLOCKS if "+sentinel|" in " ".join(block)]
    return block[3:]  # after ACL SETUSER and the name
