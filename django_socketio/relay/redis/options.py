"""The options of a relay's URL, by redis-py's names: which may be used, and for what values."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Option:
    """An option that may be used.

    Args:
        read: returns the value; raises ``ValueError`` or ``KeyError`` for text that is no value.
        expected: names the values that the option takes, for an error.
        schemes: of the URLs that may have it; None for all.
        secret: whether its value must not be shown.

    """

    read: Callable[[str], Any]
    expected: str
    schemes: tuple[str, ...] | None = None
    secret: bool = False


TLS = ("rediss", "rediss+sentinel", "rediss+cluster")
TCP = ("redis", "redis+sentinel", "redis+cluster", *TLS)
SENTINEL = ("redis+sentinel", "rediss+sentinel")


def _number(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdecimal()) or int(value) < least:
            raise ValueError
        return int(value)

    return read


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _client_name(value: str) -> str:
    # Redis: no spaces, newlines or special characters.
    if not value or not all("!" <= character <= "~" for character in value):
        raise ValueError
    return value


def _protocol(value: str) -> int:
    if value != "2":
        raise ValueError
    return 2


def _flag(value: str) -> bool:
    return FLAGS[value.lower()]


def _one_of(*values: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        return values[values.index(value)]

    return read


def _tls_version(value: str) -> ssl.TLSVersion:
    return ssl.TLSVersion(int(value))


def _verify_flags(value: str) -> list[ssl.VerifyFlags]:
    return [ssl.VerifyFlags[name.strip()] for name in value.strip("[]").split(",")]


def _tls(read: Callable[[str], Any] = _text, expected: str = "a text", **more: Any) -> Option:
    return Option(read, expected, TLS, **more)


def _flags() -> Option:
    return _tls(_verify_flags, "names of ssl.VerifyFlags, such as VERIFY_X509_STRICT")


USABLE = {
    "db": Option(_number(0), "the number of a database"),
    "username": Option(_text, "a name", secret=True),
    "password": Option(_text, "a password", secret=True),
    "sentinel_username": Option(_text, "a name", SENTINEL, secret=True),
    "sentinel_password": Option(_text, "a password", SENTINEL, secret=True),
    "client_name": Option(_client_name, "printable ASCII without spaces"),
    "max_connections": Option(_number(1), "a number of connections, 1 or more"),
    "health_check_interval": Option(_number(0), "a whole number of seconds"),
    "protocol": Option(_protocol, "2 (the relay does not speak RESP3)"),
    "socket_read_size": Option(_number(1), "a number of bytes, 1 or more"),
    "socket_keepalive": Option(_flag, "true or false", TCP),
    "ssl_keyfile": _tls(),
    "ssl_certfile": _tls(),
    "ssl_password": _tls(secret=True),
    "ssl_ca_certs": _tls(),
    "ssl_ca_path": _tls(),
    "ssl_ca_data": _tls(),
    "ssl_ciphers": _tls(),
    "ssl_check_hostname": _tls(_flag, "true or false"),
    "ssl_cert_reqs": _tls(_one_of("none", "optional", "required"), "none, optional or required"),
    "ssl_min_version": _tls(_tls_version, "a number of ssl.TLSVersion, such as 771 for TLS 1.2"),
    "ssl_include_verify_flags": _flags(),
    "ssl_exclude_verify_flags": _flags(),
}

_TIMES = "SOCKETIO_RELAY_TIMEOUT says how long Redis may take"
_TWICE = "a message whose answer is lost would be published twice"
_BYTES = "the relay reads bytes and writes UTF-8"
_CODE = "it can only be set in code"
_OCSP = "redis-py takes it from code only, and would leave certificates unchecked by OCSP"

UNUSABLE = {
    "socket_timeout": _TIMES,
    "socket_connect_timeout": _TIMES,
    "timeout": _TIMES,
    "retry": _TWICE,
    "retry_on_timeout": _TWICE,
    "retry_on_error": _TWICE,
    "decode_responses": _BYTES,
    "encoding": _BYTES,
    "encoding_errors": _BYTES,
    "legacy_responses": "the relay reads responses by their older shape",
    "single_connection_client": "the relay publishes from many threads",
    "host": "it belongs before the path, as in redis://host:6379/0",
    "port": "it belongs after the host, as in redis://host:6379/0",
    "path": "it belongs after the scheme, as in unix:///run/redis/redis.sock",
    "ssl": "the scheme rediss:// stands for TLS",
    "ssl_validate_ocsp": _OCSP,
    "ssl_validate_ocsp_stapled": _OCSP,
    "ssl_ocsp_context": _OCSP,
    "ssl_ocsp_expected_cert": _OCSP,
    **dict.fromkeys(
        (
            "cache",
            "cache_config",
            "command_packer",
            "connection_class",
            "credential_provider",
            "driver_info",
            "event_dispatcher",
            "lib_name",
            "lib_version",
            "maint_notifications_config",
            "parser_class",
            "queue_class",
            "redis_connect_func",
            "socket_keepalive_options",
            "socket_type",
        ),
        _CODE,
    ),
}


def option(name: str, value: str, scheme: str) -> Any:
    """Return the value of an option as redis-py takes it.

    Raises:
        ValueError: a URL of this scheme cannot have the option, or not with this value.

    """
    if name in UNUSABLE:
        raise ValueError(f"it cannot have the option {name!r}: {UNUSABLE[name]}")
    usable = USABLE.get(name)
    if usable is None or scheme not in (usable.schemes or (scheme,)):
        known = ", ".join(options_of(scheme))
        raise ValueError(f"{scheme}:// cannot have the option {name!r}; it may have {known}")
    try:
        return usable.read(value)
    except (KeyError, ValueError):
        came = "" if usable.secret else f", not {value!r}"
        raise ValueError(f"its option {name!r} must be {usable.expected}{came}") from None


def is_known(name: str) -> bool:
    """Return whether any URL may have an option, or is told why it may not."""
    return name in USABLE or name in UNUSABLE


def options_of(scheme: str) -> list[str]:
    """Return the names of the options that a URL of a scheme may have."""
    return [name for name, usable in USABLE.items() if scheme in (usable.schemes or (scheme,))]
