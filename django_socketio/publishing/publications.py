"""Publications: what pages get of the objects of a model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.utils.encoding import is_protected_type
from django.utils.html import escape

from django_socketio.logs import get_logger
from django_socketio.protocol.socketio.names import FRAGMENT, check_namespace
from django_socketio.publishing.causes import current_cause
from django_socketio.publishing.deferring import snapshot
from django_socketio.publishing.emitting import new_envelope, new_result, own_envelope
from django_socketio.publishing.fragments import render
from django_socketio.publishing.sending import Message

logger = get_logger("django_socketio.publishing")

Channel: TypeAlias = str | Callable[[Any], str | Iterable[str] | None]
"""The channel of all objects of a model, or a function that names those of an object."""

Channels = frozenset[str]

CREATED, CHANGED, DELETED = "created", "changed", "deleted"


class Publication:
    """What ``publish_model`` has returned; the publication of a model until ``stop``.

    Attributes:
        model: the model whose objects are published.

    """

    def __init__(
        self,
        model: type[Model],
        channel: Channel,
        *,
        fields: Sequence[str] | None,
        template: str | None,
        target: str | None,
        swap: str,
        element_id: Callable[[Any], str] | None,
        refresh: bool,
        namespace: str,
        raw: bool,
    ) -> None:
        self.model = model
        self._channel = channel
        self._fields = None if fields is None else _checked_fields(model, fields)
        self._template = template
        self._target = target
        self._swap = swap
        self._element_id = element_id or _element_id(model)
        self._refresh = refresh
        self._namespace = check_namespace(namespace)
        self.raw = raw
        self._has_warned = False
        self._on_stop: Callable[[Publication], None] = lambda _: None

    def when_stopped(self, function: Callable[["Publication"], None]) -> None:
        """Have a function called by ``stop``."""
        self._on_stop = function

    @property
    def depends_on_objects(self) -> bool:
        """Whether the channels of an object depend on its values."""
        return callable(self._channel)

    def stop(self) -> None:
        """Publish nothing of the model any more: for tests."""
        self._on_stop(self)

    def __repr__(self) -> str:
        return f"<Publication {self.model._meta.label}>"

    def channels(self, instance: Model) -> Channels:
        """Return the channels of an object.

        Raises:
            TypeError: the site's function has returned something else.

        """
        found = self._channel(instance) if callable(self._channel) else self._channel
        names = [found] if isinstance(found, str) else [] if found is None else found
        if not isinstance(names, Iterable) or isinstance(names, bytes):
            raise TypeError(
                f"the channel of {self.model._meta.label} is a name, several names or None, "
                f"not {found!r:.100}"
            )
        return frozenset(names)

    def tells(self, changed: Iterable[str]) -> bool:
        """Return whether pages are told of a change of these fields."""
        return self._fields is None or not self._fields.keys().isdisjoint(changed)

    def may_tell(self, changed: str) -> bool:
        """Return whether pages may be told of a change of this field, by themselves or a move."""
        return self.depends_on_objects or self.tells([changed])

    def moved(
        self, instance: Model, now: Channels, before: Sequence[Channels], changed: Sequence[str]
    ) -> Iterator[Message]:
        """Yield messages to the channels of an object: it has changed, has come, or has gone.

        Args:
            now: the channels of the object.
            before: the channels that the object was on; several, if it is not known on which.
            changed: the names of the fields that have changed.

        """
        known = now.intersection(*before)
        yield from self._deleted(instance, frozenset().union(*before) - now)
        if self.tells(changed):
            yield from self._changed(instance, known, changed)
        yield from self.created(instance, now - known)

    def created(self, instance: Model, channels: Channels) -> Iterator[Message]:
        """Yield messages to channels: an object has come."""
        if channels:
            yield from self._event(CREATED, instance, channels)
            places = [{"target": self._target}] if self._target else _containers(channels)
            yield from self._fragments(instance, self._swap, places, channels)

    def _changed(
        self, instance: Model, channels: Channels, changed: Sequence[str]
    ) -> Iterator[Message]:
        if channels:
            yield from self._event(CHANGED, instance, channels, changed)
            places = self._elements(instance, channels)
            yield from self._fragments(instance, "replace", places, channels)

    def deleted(self, rows: Sequence[Model]) -> Iterator[Message]:
        """Yield messages to the channels of an object: it has gone.

        Args:
            rows: the object; several, with different values, if it is not known which it had.

        """
        yield from self._deleted(rows[0], frozenset().union(*map(self.channels, rows)))

    def _deleted(self, instance: Model, channels: Channels) -> Iterator[Message]:
        if channels:
            yield from self._event(DELETED, instance, channels)
            places = self._elements(instance, channels)
            yield from self._fragments(instance, "remove", places, channels)

    def _event(
        self,
        event: str,
        instance: Model,
        channels: Channels,
        changed: Sequence[str] = (),
    ) -> Iterator[Message]:
        if self._fields is None:
            return
        data: dict[str, Any] = {"model": self.model._meta.label_lower, "pk": instance.pk}
        if event != DELETED:
            data["fields"] = {name: _value(f, instance) for name, f in self._fields.items()}
        if event == CHANGED:
            data["changed"] = [name for name in self._fields if name in changed]
        given = {"channel": sorted(channels)}
        envelope = new_envelope(event, (data,), given, self._namespace, None, None)
        yield snapshot(envelope), new_result()

    def _fragments(
        self,
        instance: Model,
        swap: str,
        places: Sequence[dict[str, Any]],
        channels: Channels,
    ) -> Iterator[Message]:
        """Yield fragments, rendered once, for each place."""
        if self._refresh:
            swap, places = "refresh", _containers(channels)
        elif self._template is None:
            return
        content, exclude = {}, current_cause() if swap == "refresh" else None
        if self._template is not None and swap not in ("refresh", "remove"):
            content = {"html": self._html(instance, self._template)}
        for place in places:
            given = {"channel": [place["channel"]] if "channel" in place else sorted(channels)}
            fragment = {"swap": swap, **place, **content}
            options = self._namespace, None, None, exclude
            envelope = own_envelope(FRAGMENT, (fragment,), given, *options)
            yield snapshot(envelope), new_result()

    def _html(self, instance: Model, template: str) -> str:
        html = render(template, {"object": instance, str(self.model._meta.model_name): instance})
        if settings.DEBUG:
            self._warn_without_id(self._element_id(instance), html)
        return html

    def _warn_without_id(self, id: str, html: str) -> None:
        """Warn once of a template without the id by which pages find the element of an object."""
        if not self._has_warned and id not in html and escape(id) not in html:
            self._has_warned = True
            text = "publish_model(%s, template=%r): no element of the template has the id %r, %s"
            effect = "so pages can neither replace nor remove the object"
            logger.warning(text, self.model._meta.label, self._template, id, effect)

    def _elements(self, instance: Model, channels: Channels) -> list[dict[str, Any]]:
        """Return where pages find an object.

        For each channel by itself, within the elements on it: pages catch up with one channel after
        the other, and on another one the object may have come or changed since. No page is told of
        other channels. With a target of the site, anywhere.
        """
        text = self._element_id(instance).replace("\\", "\\\\").replace('"', '\\"')
        target = {"target": f'[id="{text}"]'}
        return [target] if self._target else [target | one for one in _containers(channels)]


def _containers(channels: Channels) -> list[dict[str, Any]]:
    """Return the elements that are on the channels."""
    return [{"channel": channel} for channel in sorted(channels)]


def _element_id(model: type[Model]) -> Callable[[Any], str]:
    return lambda instance: f"{model._meta.model_name}-{instance.pk}"


def _checked_fields(model: type[Model], names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a model by their names.

    Raises:
        TypeError, ValueError: these are no names of fields that have a value of their own.

    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"publish_model(fields=…) takes a list of names, not {names!r:.100}")
    return {name: _field(model, name) for name in names}


def _field(model: type[Model], name: str) -> Any:
    own = {*model._meta.concrete_fields, *model._meta.many_to_many}
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if field not in own:
        names = ", ".join(sorted(one.name for one in own))
        raise ValueError(
            f"publish_model(fields=[{name!r}]): {model._meta.label} has the fields {names}. A "
            "template can show more."
        )
    return field


def _value(field: Any, instance: Model) -> Any:
    """Return the value of a field as Django's serializers write it."""
    if field.many_to_many:
        related = getattr(instance, field.name).using(instance._state.db)  # not of a replica
        return list(related.values_list("pk", flat=True))
    value = field.value_from_object(instance)
    return value if is_protected_type(value) else field.value_to_string(instance)
