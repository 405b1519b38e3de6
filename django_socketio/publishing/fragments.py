"""``emit_template``: HTML that pages put in place, rendered once for all of them."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import django
from django.template import TemplateDoesNotExist, loader

from django_socketio.protocol.socketio.names import FRAGMENT
from django_socketio.publishing.audiences import OMITTED, Groups, Names, Sessions, Users
from django_socketio.publishing.causes import current_cause, socket_id
from django_socketio.publishing.emitting import check_commit, emit_envelope, own_envelope
from django_socketio.publishing.results import Emitted

Swap: TypeAlias = Literal[
    "append", "prepend", "before", "after", "replace", "update", "remove", "refresh"
]
"""What pages do with a fragment."""

WITHOUT_CONTENT = ("remove", "refresh")


def emit_template(
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    *,
    swap: Swap = "update",
    target: str | None = None,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
    exclude: Any = None,
    on_commit: bool | str = True,
    keep: float | None = None,
    idempotency_key: str | None = None,
) -> Emitted:
    """Render a template once, and have ``live.js`` put it into the pages of all audiences.

    The audiences, ``keep`` and ``idempotency_key`` are those of ``emit``. The template gets no
    request. ``target`` is a CSS selector; without it, the fragment goes to the elements that are on
    the channel (``{% socketio_live %}``). ``exclude`` is the page that is left out: a request, a
    socket, or a socket's ``session_id``. The swaps "remove" and "refresh" take no template.

    Raises:
        RelayError: the relay did not take the event (with ``on_commit=False``).
        TemplateDoesNotExist: there is no such template, or it is a partial under Django 5.2.
        ChannelError, EventError, TypeError, ValueError: an argument cannot be used.

    """
    given = {"channel": channel, "user": user, "session": session, "group": group}
    given["session_id"] = session_id
    _check(template, context, swap, on_commit)
    fragment = {"swap": swap, **_place(target, given), **_content(template, context)}
    excluded = _excluded(exclude, swap)
    options = namespace, keep, idempotency_key, excluded, "emit_template"
    return emit_envelope(own_envelope(FRAGMENT, (fragment,), given, *options), on_commit)


def _excluded(cause: Any, swap: Swap) -> str | None:
    if cause is None and swap == "refresh":
        return current_cause()
    return socket_id(cause)


def _content(template: str | None, context: Mapping[str, Any] | None) -> dict[str, str]:
    return {} if template is None else {"html": render(template, context or {})}


def render(template: str, context: Mapping[str, Any]) -> str:
    """Render a template, or a part of one.

    Raises:
        TemplateDoesNotExist: there is none of this name.

    """
    try:
        found = loader.get_template(template)
    except TemplateDoesNotExist as error:
        if "#" not in template or django.VERSION >= (6, 0):
            raise
        raise TemplateDoesNotExist(
            f"emit_template({template!r}): parts of templates need Django 6.0, and this is Django "
            f"{django.get_version()}. Put the part into a template of its own."
        ) from error
    return found.render(dict(context))


def _check(template: Any, context: object, swap: object, on_commit: object) -> None:
    check_commit(on_commit, "emit_template")
    if swap not in get_args(Swap):
        names = ", ".join(get_args(Swap))
        raise ValueError(f"emit_template(swap={swap!r:.100}): expected one of {names}")
    if template is not None and (not isinstance(template, str) or not template):
        raise TypeError(f"emit_template takes the name of a template, not {template!r:.100}")
    if context is not None and not isinstance(context, Mapping):
        raise TypeError(f"emit_template takes a dictionary as context, not {context!r:.100}")
    if (template is None) != (swap in WITHOUT_CONTENT):
        needs = "takes no template" if template is not None else "needs a template"
        raise ValueError(f"emit_template(swap={swap!r}) {needs}")


def _place(target: Any, given: Mapping[str, Any]) -> dict[str, str]:
    """Return where the fragment goes: a selector, or the elements that are on a channel."""
    if target is not None:
        if not isinstance(target, str) or not target.strip():
            raise TypeError(
                f"emit_template(target=…) takes a CSS selector such as '#log', not {target!r:.100}"
            )
        return {"target": target}
    others = [name for name, value in given.items() if value is not OMITTED and name != "channel"]
    channel = _only(given["channel"])
    if others or channel is None:
        raise ValueError(
            "emit_template needs a target (a CSS selector such as '#log'), unless its only "
            "audience is one channel: the fragment then goes to the elements on the channel"
        )
    return {"channel": channel}


def _only(channels: Any) -> str | None:
    """Return the name of the channel, given it or a list of it; None for another number."""
    if isinstance(channels, list | tuple) and len(channels) == 1:
        channels = channels[0]
    return channels if isinstance(channels, str) else None
