"""What no relay takes: values and names that a receiver could not read."""

LOOP: list = []
LOOP.append(LOOP)


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


REFUSED = {
    "an object": object(),
    "a set": {1},
    "a key that is none": {(1, 2): 3},
    "itself": LOOP,
    "too deep": nested(300),
    "far too deep": nested(100_000),
    "a placeholder beside bytes": [b"x", {"_placeholder": True, "num": 0}],
    "an integer of 5000 digits": 10**5000,
}


NAMES = [
    ("/", "connect"),
    ("/", 5),
    ("/", None),
    ("admin", "m"),
    ("/a,b", "m"),
    ("", "m"),
    (5, "m"),
]
